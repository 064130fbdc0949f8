"""Whether a text is a query: for engines whose sessions can't be kept from writing, nothing else is sent."""

from __future__ import annotations

import re

from probes.database._sql_refusal import Refusal

COMMENT = r"--[^\n]*\n|/\*(?:(?!\*/).)*\*/"
QUERY = re.compile(rf"(?:\s|\(|{COMMENT})*(?:select|with|values|show)\b", re.IGNORECASE | re.DOTALL)


def only_query(text: str) -> str:
    """Return the text without what ends it. Raises `Refusal` (bad_query) for what is no query."""
    if not QUERY.match(text[:20_000]):
        raise Refusal("bad_query", "only a query (select, with, values) is asked: anything else might write")
    return text.strip().rstrip(";")
