"""What is said of an event, in one language: the one source of subject, text and page. Pure and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.alerts.advice_texts import next_step
from monitor.alerts.mail_settings import Language
from monitor.alerts.people import Card
from monitor.alerts.texts import SIGNS, TEXTS, cause, lasted, text
from monitor.incidents.incident import (
    ADOPTED,
    BY_HAND,
    INFERRED,
    ISOLATED,
    REMOVED,
    SIGNED_OFF,
    UNDECIDED,
    Adopted,
    Event,
    Incident,
    Member,
    Notice,
    level,
)
from monitor.state import State
from probes.api import clip

NAME, DETAIL = 60, 500
MOST_SHOWN, MOST_STEPS = 12, 3


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, in both languages: the item that judges the check, and its remediation."""

    title: str
    title_zh: str
    text: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Known:
    """What else is known of an incident's root."""

    target: str = ""
    """Its address."""
    required: str = ""
    """What is required of the series that is shown, such as "rtt_ms <= 58.3 ms"."""
    steps: tuple[Step, ...] = ()
    url: str = ""
    """Of the site, without a slash at the end; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One that is affected: a check or a root, with its state (empty where not known) and more about it."""

    sign: str
    state: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Account:
    """All that a message says."""

    language: Language
    subject: str
    lead: str
    state: State
    """By which it is coloured."""
    sign: str
    word: str
    facts: tuple[tuple[str, str], ...]
    title: str
    """Of the lines."""
    lines: tuple[Line, ...]
    more: str
    steps: tuple[tuple[str, str], ...]
    """Title, which may be empty, and text."""
    command: str
    """By which the incident is acknowledged; empty where there is nothing to acknowledge."""
    link: str
    """Of the incident's page; empty where there is none."""
    link_text: str
    foot: str


def account(event: Event, card: Card, language: Language, known: Known) -> Account:
    """Return what is said of an event."""
    return _Teller(event, card, language, known).account()


def form(event: Event) -> str:
    """Return which form of notice it is: the notice itself, `REMOVED`, `BY_HAND` or `ADOPTED`."""
    kind, endings = event.transition.kind, (REMOVED, BY_HAND, ADOPTED)
    return kind if event.notice is Notice.CLOSED and kind in endings else event.notice.value


def shape(incident: Incident) -> str:
    """Return what the root is: `isolated`, `signed`, `check`, `asset`, `below` (others behind it) or `unit`.

    It follows from what does not change while the incident lasts: all its messages have one name for it.
    """
    if incident.root == ISOLATED:
        return ISOLATED
    if incident.root.endswith(SIGNED_OFF):
        return "signed"
    depth = incident.root.count("/")
    return "check" if depth >= 2 else "asset" if depth else "below" if incident.kind == INFERRED else "unit"


@dataclass(frozen=True, slots=True)
class _Teller:
    event: Event
    card: Card
    language: Language
    known: Known

    def account(self) -> Account:
        """Return it all."""
        incident, values = self.event.incident, self._values()
        state = self._shown()
        lines, more = self._lines()
        open_ = incident.closed_at is None
        return Account(
            language=self.language,
            subject=clip(self._text(f"subject.{form(self.event)}", **values), 250),
            lead=self._lead(values),
            state=state,
            sign=SIGNS[state],
            word=self._word(state),
            facts=tuple(fact for fact in self._facts() if fact[1]),
            title=self._title(),
            lines=lines,
            more=more,
            steps=self._steps() if open_ else (),
            command=f"muster incident ack {incident.id}" if open_ else "",
            link=f"{self.known.url}/incidents/{incident.id}" if self.known.url else "",
            link_text=self._text("answer.link", id=incident.id),
            foot=self._text("foot.open" if open_ else "foot.closed", id=incident.id),
        )

    def _text(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def _shown(self) -> State:
        if form(self.event) == REMOVED:
            return State.UNKNOWN
        return State.DEGRADED if self.event.notice is Notice.RESIDUAL else self.event.incident.state

    def _word(self, state: State) -> str:
        return self._text("state.adopted" if form(self.event) == ADOPTED else f"state.{state}")

    def _lead(self, values: dict[str, str]) -> str:
        own = f"lead.{self._shape()}.{form(self.event)}"
        return self._text(own if own in TEXTS[self.language] else f"lead.{form(self.event)}", **values)

    def _values(self) -> dict[str, str]:
        incident = self.event.incident
        return {
            "sign": SIGNS[self._shown()],
            "state": self._text(f"state.{incident.state}"),
            "worst": self._text(f"state.{incident.worst}"),
            "unit": self._unit(),
            "what": self._what(),
            "units": self._count("units", self.event.units),
            "cause": self._cause(),
            "lasted": self._span(),
            "waited": self._waited(),
            "left": self._count("left", len(self.event.left)),
            "tier": str(incident.tier),
            "usual": self._usual(),
        }

    def _unit(self) -> str:
        if self.event.incident.root == ISOLATED:
            return self._text("monitor")
        return clip(name(self.card, self.language), NAME)

    def _shape(self) -> str:
        return shape(self.event.incident)

    def _what(self) -> str:
        kind = self._shape()
        if kind in ("check", "asset"):
            return clip(self.event.incident.root.partition("/")[2], NAME)
        return self._text(f"what.{kind}")

    def _cause(self) -> str:
        if self._shape() == "below":
            return self._count("below", self.event.units)
        return clip(cause(self.language, self.event.incident.kind), NAME)

    def _usual(self) -> str:
        """Return what is usual now and was before, of the first series, and how many more there are."""
        usual = self.event.usual
        more = [self._more(len(usual) - 1)] if len(usual) > 1 else []
        return self._text("comma").join([*(self._level(each) for each in usual[:1]), *more])

    def _level(self, each: Adopted) -> str:
        now, was = level(each.now, each.unit), level(each.was, each.unit)
        since = self._at(each.since)
        return self._text("usual", metric=clip(each.metric, NAME), now=now, was=was, since=since)

    def _count(self, key: str, number: int) -> str:
        return self._text(f"{key}.one" if number == 1 else f"{key}.many", n=number)

    def _span(self) -> str:
        incident = self.event.incident
        end = ended(self.event) or moment_of(self.event)
        return lasted(self.language, end - incident.began_at)

    def _waited(self) -> str:
        """Return for how long nobody has acknowledged it."""
        incident, now = self.event.incident, moment_of(self.event)
        since = incident.opened_at if incident.told_at is None else incident.told_at
        silences = (incident.ack_until, incident.snoozed_until)
        return lasted(self.language, now - max([since, *(each for each in silences if each and each <= now)]))

    def _at(self, at: float) -> str:
        return moment(at, self.card.timezone)

    def _facts(self) -> list[tuple[str, str]]:
        incident, over = self.event.incident, ended(self.event)
        before, closed = incident.previous, incident.closed_at is not None
        root = {"check": "check", "asset": "asset"}.get(self._shape(), "")
        facts = [
            ("unit", f"{self._unit()} ({clip(self.card.id, NAME)})" if incident.unit else ""),
            (root or "check", clip(incident.root, 200) if root else ""),
            ("target", clip(self.known.target, 200)),
            ("state", self._word(incident.state)),
            ("severity", "" if closed else self._text(f"severity.{incident.severity}")),
            ("cause", self._cause()),
            ("detail", clip(incident.detail, DETAIL)),
            ("required", clip(self.known.required, 200) if incident.worst is State.DEGRADED else ""),
            ("began", self._at(incident.began_at)),
            ("decided", "" if closed else self._at(self.event.transition.decided_at)),
            ("ended", "" if over is None else self._at(over)),
            ("lasted", "" if over is None else self._span()),
            ("acked", self._acked()),
            ("incident", str(incident.id)),
            ("previous", "" if before is None else self._text("previous", id=before)),
        ]
        return [(self._text(f"label.{label}"), value) for label, value in facts]

    def _acked(self) -> str:
        incident = self.event.incident
        if not incident.acked_by:
            return ""
        until = self._text("acked.open") if incident.ack_until is None else self._at(incident.ack_until)
        values = {"who": clip(incident.acked_by, NAME), "until": until}
        if not incident.ack_comment:
            return self._text("acked", **values)
        return self._text("acked.comment", **values, comment=clip(incident.ack_comment, DETAIL))

    def _title(self) -> str:
        if self.event.left:
            return self._text("title.left", n=len(self.event.left))
        if self.event.usual:
            return self._text("title.usual", n=len(self.event.usual))
        return self._text("title.members", n=max(self.event.total, len(self.event.members)))

    def _lines(self) -> tuple[tuple[Line, ...], str]:
        """Return those that are affected, unless it is the root alone, and how many more there are."""
        if self.event.left:
            all_ = [self._root(root) for root in self.event.left[:MOST_SHOWN]]
            return tuple(all_), self._more(len(self.event.left) - len(all_))
        if self.event.usual:
            shown = tuple(self._adopted(each) for each in self.event.usual[:MOST_SHOWN])
            return shown, self._more(len(self.event.usual) - len(shown))
        members = self.event.members
        if [each.check for each in members] == [self.event.incident.root]:
            return (), ""
        listed = tuple(self._member(each) for each in members[:MOST_SHOWN])
        total = max(self.event.total, len(members))
        return listed, self._more(total - len(listed))

    def _adopted(self, each: Adopted) -> Line:
        return Line(SIGNS[State.DEGRADED], State.DEGRADED.value, clip(each.check, 200), self._level(each))

    def _more(self, number: int) -> str:
        return self._text("more", n=number) if number > 0 else ""

    def _root(self, root: str) -> Line:
        found = next((each for each in self.event.members if each.check.startswith(root)), None)
        if found is None:
            return Line(SIGNS["DOWN"], "DOWN", clip(root, 200), "")
        return self._member(found, root)

    def _member(self, member: Member, root: str = "") -> Line:
        about = clip(cause(self.language, member.kind), NAME)
        since = clock(member.since, self.card.timezone, moment_of(self.event)) if member.since else ""
        word = self._text(f"state.{member.state}")
        parts = [word, about if about != word else "", since]
        comma = self._text("comma")
        shown = comma.join(part for part in parts if part)
        return Line(SIGNS[member.state], member.state.value, clip(root or member.check, 200), shown)

    def _steps(self) -> tuple[tuple[str, str], ...]:
        kind = self.event.incident.kind
        own = "isolated" if self.event.incident.root == ISOLATED else kind
        ours = (ISOLATED, INFERRED, UNDECIDED, "regressed", "drifted")
        steps = [("", self._text(f"step.{own}"))] if own in ours else []
        steps += [self._step(each) for each in self.known.steps]
        return tuple(steps[:MOST_STEPS]) or (("", next_step(self.language, self._failure())),)

    def _failure(self) -> str:
        """Return the kind of failure to give advice on: the incident's, or that of the worst in it."""
        return (
            self.event.members[0].kind if self.event.left and self.event.members else self.event.incident.kind
        )

    def _step(self, step: Step) -> tuple[str, str]:
        chinese = self.language == "zh"
        title = (step.title_zh or step.title) if chinese else step.title
        return clip(title, 200), clip((step.text_zh or step.text) if chinese else step.text, DETAIL)


def plain(told: Account) -> str:
    """Return it as text: one sentence, a line for each fact, and the sections, none of them long."""
    lines = [told.lead, ""]
    colon = text(told.language, "colon")
    lines += [f"{label}{colon}{value}" for label, value in told.facts]
    if told.lines:
        listed = [f"{each.sign} {each.name}{colon if each.about else ''}{each.about}" for each in told.lines]
        lines += ["", told.title, *listed, *([told.more] if told.more else [])]
    if told.steps:
        steps = [f"- {title}{colon}{what}" if title else f"- {what}" for title, what in told.steps]
        lines += ["", text(told.language, "title.steps"), *steps]
    return "\n".join([*lines, *_answer(told), "", told.foot, ""])


def _answer(told: Account) -> list[str]:
    if not told.command:
        return ["", told.link] if told.link else []
    found = ["", text(told.language, "title.answer")]
    found.append(text(told.language, "answer.command", command=told.command))
    return [*found, text(told.language, "answer.page", link=told.link)] if told.link else found


def moment_of(event: Event) -> float:
    """Return when it happened, seconds since the epoch."""
    return event.at or event.transition.at


def ended(event: Event) -> float | None:
    """Return when it was over: at the first good reading, not when it had been confirmed.

    None while it is open, and where it never came back: what is worse has become usual.
    """
    if event.incident.closed_at is None or event.transition.kind == ADOPTED:
        return None
    return event.incident.closed_at if event.transition.kind in (REMOVED, BY_HAND) else event.transition.since


def name(card: Card, language: Language) -> str:
    """Return the unit's name in a language, else the one it has."""
    return (card.name_zh if language == "zh" else card.name) or card.name or card.id


def moment(at: float, timezone: str) -> str:
    """Return a time in a zone with its offset: "2027-01-15 09:03:12 +08:00"; UTC for an unknown zone."""
    text_ = datetime.fromtimestamp(at, zone_of(timezone)).isoformat(" ", "seconds")
    return f"{text_[:19]} {text_[19:]}"


def clock(at: float, timezone: str, now: float) -> str:
    """Return a time as `moment` does, without the date where that is the same day as `now`."""
    text_, today = moment(at, timezone), moment(now, timezone)
    return text_[11:] if text_[:10] == today[:10] else text_


def zone_of(timezone: str) -> ZoneInfo:
    """Return a zone by its name; UTC for an unknown one."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
