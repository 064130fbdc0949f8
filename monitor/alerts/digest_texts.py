"""The words of summaries and digests, in each language: one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.messages.storm import MOST_LISTED

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "summary.subject": "Muster: {count} messages in one",
        "summary.lead": "There is more to tell than single messages should; here it is at once. "
        "The end of each incident is told as ever.",
        "digest.subject": "Muster, daily digest: {opened} opened, {closed} closed, {still} still open",
        "digest.lead": "What is not urgent, from {since} to {until}.",
        "digest.opened": "Opened, and open still",
        "digest.over": "Opened, and over again",
        "digest.closed": "Open before, and over now",
        "digest.still": "Open before, and open still",
        "more": "... and {count} more: muster incident list",
    },
    "zh": {
        "summary.subject": "Muster：{count} 条消息汇总",
        "summary.lead": "消息过多，不再逐条发送，现汇总如下。各事件结束时仍会照常通知。",
        "digest.subject": "Muster 每日摘要：新增 {opened} 起，结束 {closed} 起，仍未结束 {still} 起",
        "digest.lead": "{since} 至 {until} 期间的非紧急事件。",
        "digest.opened": "期间开始，尚未结束",
        "digest.over": "期间开始，已经结束",
        "digest.closed": "此前开始，期间结束",
        "digest.still": "此前开始，尚未结束",
        "more": "……另有 {count} 条：muster incident list",
    },
}


def text(language: str, key: str, **values: object) -> str:
    """Return a text in a language, English where that has none. Raises KeyError for an unknown key."""
    return TEXTS.get(language, TEXTS["en"])[key].format(**values)


def lines(language: str, entries: Sequence[str], count: int) -> list[str]:
    """Return entries as a list, at most `MOST_LISTED`, and how many there are besides."""
    listed = [f"- {entry}" for entry in entries[:MOST_LISTED]]
    return listed if count <= len(listed) else [*listed, text(language, "more", count=count - len(listed))]


def summary(language: str, subjects: Sequence[str], count: int) -> tuple[str, str]:
    """Return subject and body of a summary of `count` messages, of which `subjects` are listed."""
    body = [text(language, "summary.lead"), "", *lines(language, subjects, count), ""]
    return text(language, "summary.subject", count=count), "\n".join(body)
