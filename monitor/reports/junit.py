"""A readiness run as JUnit XML: a fail is <failure>, unknown <error>, waived and not_applicable <skipped>."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from monitor.readiness.results import ItemResult, Run, UnitResult, utc
from monitor.readiness.verdict import Status
from monitor.reports import words
from monitor.reports.look import Language

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (Char, production 2)."""
_TAGS = {
    Status.FAIL: "failure",
    Status.UNKNOWN: "error",
    Status.WAIVED: "skipped",
    Status.NOT_APPLICABLE: "skipped",
}


def junit(run: Run, language: Language = "en") -> str:
    """Return the run as one document."""
    root = Element("testsuites", name=f"muster {clean(run.gate)}")
    for unit in run.units:
        root.append(_suite(unit, run, language))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(unit: UnitResult, run: Run, language: Language) -> Element:
    counts = unit.counts
    suite = Element(
        "testsuite", name=clean(unit.id), tests=str(len(unit.items)), failures=str(counts[Status.FAIL]),
        errors=str(counts[Status.UNKNOWN]), timestamp=(utc(run.finished_at) or "")[:19],
        skipped=str(counts[Status.WAIVED] + counts[Status.NOT_APPLICABLE]),
    )  # fmt: skip
    properties = SubElement(suite, "properties")
    for key, value in (("verdict", unit.verdict.value), ("unit_digest", unit.unit_digest)):
        SubElement(properties, "property", name=key, value=value)
    for item in unit.items:
        suite.append(_case(unit, item, language))
    SubElement(suite, "system-out").text = clean(words.sentence(unit, language))
    return suite


def _case(unit: UnitResult, item: ItemResult, language: Language) -> Element:
    name = f"{item.id} [{item.asset}]" if item.asset else item.id
    case = Element("testcase", classname=clean(f"{unit.id}.{item.category}"), name=clean(name), time="0")
    tag = _TAGS.get(item.status)
    if tag is not None:
        found = SubElement(
            case, tag, message=clean(_message(item, language)), type=clean(item.reason or item.status)
        )
        found.text = clean(_body(item, language))
    return case


def _message(item: ItemResult, language: Language) -> str:
    text = f"{words.title(item, language)}: {words.explained(item, language)}"
    if item.status is Status.WAIVED and item.waiver:
        return f"waived by {item.waiver['approved_by']} until {item.waiver['expires_at']}: {text}"
    return text


def _body(item: ItemResult, language: Language) -> str:
    lines = {
        "severity": words.row_severity(item, "en"), "expected": item.expected, "actual": item.actual,
        "detail": item.detail,
        "check": item.check, "collected_at": utc(item.collected_at), "blocked_by": item.blocked_by,
        "remediation": words.remediation(item, language),
    }  # fmt: skip
    return "\n".join(f"{key}: {value}" for key, value in lines.items() if value)


def clean(text: str) -> str:
    """Return the text without what XML can't hold; escaping is the writer's."""
    return _FORBIDDEN.sub("\ufffd", text)
