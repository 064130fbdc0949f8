"""Incidents and announced work on a terminal, from their documents. Chinese names align with the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.moments import shown, span
from monitor.reports.look import AMBER, GREEN, GREY, RED
from probes.api import clip

LOOK = {
    "DOWN": ("✖", RED), "DEGRADED": ("◐", AMBER), "UNKNOWN": ("?", GREY), "SHADOWED": ("⋯", GREY),
    "OK": ("✔", GREEN),
}  # fmt: skip
HOW = {
    "self": "nothing above it explains it",
    "ancestor": "the highest thing that fails on the way to it",
    "inferred": "most of what lies behind it fails",
    "undecided": "it can't be told from the failure of what lies above it",
}
MOST_ROWS = 40
Row = Mapping[str, Any]


def show_list(found: Row, console: Console, *, chinese: bool, now: float, only_open: bool) -> None:
    """Print a list of incidents."""
    rows = found["incidents"]
    if not rows:
        console.print("No incident is open." if only_open else "There is no incident.")
        return
    table = _table("no.", "state", "unit", "root", "cause", "since", "lasted", "checks", "taken by")
    for row in rows:
        table.add_row(
            str(row["id"]), _state(row), _plain(_name(row, chinese)), _plain(row["root"]),
            _plain(row["kind"]), shown(_at(row["began_at"])), _lasted(row, now), str(row["members"]),
            _plain(_taken(row)),
        )  # fmt: skip
    console.print(table)


def show_one(found: Row, console: Console, *, chinese: bool) -> None:
    """Print one incident."""
    name = _name(found, chinese)
    console.print(_state(found), Text(f"incident {found['id']}: {found['root']}", style="bold"), _plain(name))
    console.print(_facts(_told_facts(found)))
    _section(console, f"Members ({found['members_total']})", _members(found["members"]))
    _section(console, "History", _history(found["history"]))
    _section(console, "Told", _told(found["told_to"]))
    _rule(console, found)
    _section(console, "Readings that opened it", _readings(found["readings"]))


def done(what: str, row: Row) -> str:
    """Return one line that says what an act came to."""
    number, taken = row["id"], row["acknowledged"]
    match what:
        case "ack":
            until = shown(_at(taken["until"]), empty="it is over") if taken else ""
            return f"incident {number} is acknowledged until {until}"
        case "unack":
            return f"incident {number} waits for somebody again"
        case "snooze":
            return f"incident {number} is quiet until {shown(_at(row['snoozed_until']))}"
        case "close":
            return f"incident {number} is closed; where {row['root']} still fails, a new one opens"
    return f"noted in the history of incident {number}"


def show_maintenance(found: Row, console: Console) -> None:
    """Print announced work."""
    if not found["maintenance"]:
        console.print("No maintenance is announced.")
        return
    table = _table("no.", "now", "scope", "mode", "when", "this or next time", "reason", "by")
    for row in found["maintenance"]:
        table.add_row(
            str(row["id"]), "yes" if row["active"] else "no", _plain(row["scope"]), row["mode"],
            _plain(_when(row)), _next(row), _plain(row["reason"]), _plain(row["actor"]),
        )  # fmt: skip
    console.print(table)


def announced(row: Row) -> str:
    """Return one line that says what was announced."""
    what = "is not probed and nobody is told" if row["mode"] == "skip" else "is probed, and nobody is told"
    return f"maintenance {row['id']}: {row['scope']} {what}, {_when(row)}"


def _when(row: Row) -> str:
    start, end = shown(_at(row["from"])), shown(_at(row["to"]))
    bounds = " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)
    if row["every"]:
        closed = f", while {row['calendar']} is closed" if row["calendar"] else ""
        every = f"every {' and '.join(row['every'])} ({row['zone']}){closed}"
        return f"{every}, {bounds}" if bounds else every
    return bounds


def _next(row: Row) -> str:
    if row["ended_at"]:
        return f"ended {shown(_at(row['ended_at']))} by {clip(row['ended_by'], 60)}"
    if not row["next_from"] and not row["next_to"]:
        return "not within a week"
    zone = row["zone"]
    return f"{shown(_at(row['next_from']), zone)} to {shown(_at(row['next_to']), zone)}"


def _told_facts(found: Row) -> list[tuple[str, str]]:
    taken = found["acknowledged"]
    comment = f": {taken['comment']}" if taken and taken["comment"] else ""
    until = f" until {shown(_at(taken['until']))}" if taken and taken["until"] else ""
    return [
        ("severity", found["severity"]),
        ("cause", f"{found['kind']} {found['detail']}".strip()),
        ("began", shown(_at(found["began_at"]))),
        ("opened", shown(_at(found["opened_at"]))),
        ("all OK since", shown(_at(found["recovered_at"]))),
        ("closed", shown(_at(found["closed_at"]))),
        ("worst state", found["worst"]),
        ("acknowledged", f"{taken['by']}{until}{comment}" if taken else ""),
        ("quiet until", shown(_at(found["snoozed_until"]))),
        ("tier told", str(found["tier"] or "")),
        ("before it", f"incident {found['previous']}" if found["previous"] else ""),
        ("its cause", f"incident {found['absorbed_by']}" if found["absorbed_by"] else ""),
        ("took in", ", ".join(f"incident {each}" for each in found["absorbed"])),
        ("damped", "yes: it opened again and again" if found["damped"] else ""),
    ]


def _members(rows: Sequence[Row]) -> Table | None:
    table = _table("state", "check", "cause", "since", "left")
    for row in rows[:MOST_ROWS]:
        table.add_row(
            _state(row), _plain(row["check"]), _plain(row["kind"]), shown(_at(row["since"])),
            shown(_at(row["left_at"])),
        )  # fmt: skip
    return _cut(table, rows)


def _history(rows: Sequence[Row]) -> Table | None:
    table = _table("when", "who", "what", "state", "detail")
    for row in rows[-MOST_ROWS:]:
        table.add_row(
            shown(_at(row["at"])), _plain(row["actor"]), _plain(row["what"]), row["state"],
            _plain(row["detail"]),
        )  # fmt: skip
    return _cut(table, rows)


def _told(rows: Sequence[Row]) -> Table | None:
    table = _table("when", "whom", "by", "of", "state", "error")
    for row in rows[-MOST_ROWS:]:
        table.add_row(
            shown(_at(row["queued_at"])), _plain(row["recipient"]), _plain(row["channel"]), row["notice"],
            row["status"], _plain(row["error"]),
        )  # fmt: skip
    return _cut(table, rows)


def _readings(rows: Sequence[Row]) -> Table | None:
    table = _table("when", "check", "outcome", "kind", "values", "detail")
    for row in rows[-MOST_ROWS:]:
        values = ", ".join(f"{name} = {value:.6g}" for name, value in row["metrics"].items())
        table.add_row(
            row["at"] or "", _plain(row["check"]), row["outcome"], row["kind"], _plain(values),
            _plain(row["detail"]),
        )  # fmt: skip
    return _cut(table, rows)


def _rule(console: Console, found: Row) -> None:
    """Print the rule that opened it, and what it gives when it is applied again."""
    rule = found["rule"]
    console.print(Text("\nRule that opened it", style="bold"))
    if not isinstance(rule, dict) or "how" not in rule:
        console.print(_plain(json.dumps(rule, ensure_ascii=False) if rule else "none was kept", 2000))
        return
    facts = [
        ("check", f"{rule['check']}: {rule['state']} ({rule['kind']}) since {_exact(rule['since'])}"),
        ("held for", span(rule["hold_s"]) if "hold_s" in rule else ""),
        ("root", f"{rule['root']}: {HOW.get(rule['how'], rule['how'])} ({rule['how']})"),
        ("applied again", _again(found)),
    ]
    console.print(_facts(facts))
    beliefs = [each for several in rule.get("beliefs", {}).values() for each in several]
    _section(console, "It was applied to", _beliefs(beliefs))


def _again(found: Row) -> str:
    replayed = found["replayed"]
    if replayed is None:
        return "what it was applied to was too large to be kept"
    same = replayed == {"root": found["rule"]["root"], "how": found["rule"]["how"]}
    return f"{replayed['root']} ({replayed['how']}){', the same' if same else ', NOT the same'}"


def _beliefs(rows: Sequence[Row]) -> Table | None:
    table = _table("state", "phase", "check", "kind", "since", "last measured", "reachability")
    for row in rows[:MOST_ROWS]:
        table.add_row(
            _state(row), row["phase"], _plain(row["check"]), _plain(row["kind"]), _exact(row["since"]),
            _exact(row["measured_at"]), "yes" if row["reach"] else "",
        )  # fmt: skip
    return _cut(table, rows)


def _cut(table: Table, rows: Sequence[Row]) -> Table | None:
    if len(rows) > MOST_ROWS:
        table.caption = f"{len(rows) - MOST_ROWS} more; --format json has them"
    return table if rows else None


def _section(console: Console, title: str, table: Table | None) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    console.print(table if table is not None else "none")


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for label, value in facts:
        if value:
            table.add_row(label, _plain(value, 600))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        right = heading in ("no.", "checks", "lasted")
        fold = heading in ("detail", "reason", "values", "error", "root", "cause", "unit", "taken by", "when")
        table.add_column(heading, justify="right" if right else "left", no_wrap=not fold, overflow="fold")
    return table


def _state(row: Row) -> Text:
    sign, colour = LOOK[row["state"]]
    if row.get("ended") == "adopted":
        return Text(f"{sign} now usual", style=colour)
    over = " (over)" if row.get("open") is False else ""
    return Text(f"{sign} {row['state']}{over}", style=colour)


def _name(row: Row, chinese: bool) -> str:
    return str((row["name_zh"] if chinese else row["name"]) or row["name"] or row["unit"])


def _taken(row: Row) -> str:
    if row["acknowledged"]:
        return str(row["acknowledged"]["by"])
    return f"quiet until {shown(_at(row['snoozed_until']))}" if row["snoozed_until"] else ""


def _lasted(row: Row, now: float) -> str:
    end = _at(row["closed_at"]) or now
    return span(max(0.0, end - (_at(row["began_at"]) or end)))


def _at(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _exact(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds") if at else ""


def _plain(text: str, limit: int = 200) -> Text:
    """Return text of targets and people as it stands: no markup, no control characters."""
    return Text(clip(text, limit))
