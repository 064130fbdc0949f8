"""What elasticsearch makes of answers: watermarks, silent nodes, and answers of anybody."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.errors import Ending, ProtocolViolated
from probes.middleware import _elasticsearch as pure
from probes.middleware.elasticsearch import ElasticsearchParams
from tests.servers.elasticsearch import node, settings, stats


def _over(**persistent: str) -> dict[str, float]:
    found = pure.nodes(stats(node("a", None, 9, 1, 0), node("b", None, 4, 1, 0), node("c", None, 60, 1, 0)))
    given = {name.replace("__", "."): value for name, value in persistent.items()}
    return pure.over_watermarks(found.nodes, settings(given))[0]


def test_watermarks() -> None:
    names = ("nodes_over_low", "nodes_over_high", "nodes_over_flood")
    assert _over() == dict(zip(names, (2, 2, 1), strict=True))
    assert _over(watermark__low="0.3") == dict(zip(names, (3, 2, 1), strict=True))
    assert _over(watermark__low="70gb") == dict(zip(names, (3, 2, 1), strict=True))
    assert _over(watermark__low="85%", watermark__low__max_headroom="5gb")["nodes_over_low"] == 1
    assert _over(threshold_enabled="false") == {}
    assert "nodes_over_low" not in _over(watermark__low="much")
    assert pure.over_watermarks((), settings()) == ({}, "")


def test_nodes_that_are_silent_are_counted() -> None:
    assert pure.nodes(stats(failed=2)).silent == 2


KEYS = [
    "status", "error", "type", "reason", "hits", "total", "value", "nodes", "fs", "_shards", "failed",
    "version", "number", "aggregations", "past", "newest", "timestamp", "left", "old", "doc_count",
    "successful",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.integers(300, 599))
def test_no_answer_breaks_the_reading(document: Any, status: int) -> None:
    assert isinstance(pure.refused(status, document), Ending)
    for read in (pure.identity, pure.health, pure.nodes, pure.hits, pure.left):
        with contextlib.suppress(Ending):
            read(document)
    pure.over_watermarks(pure.nodes(document).nodes, document)


def test_an_answer_of_something_else() -> None:
    with pytest.raises(ProtocolViolated):
        pure.identity({"version": 3})
    with pytest.raises(ProtocolViolated, match="which shards gave it"):
        pure.hits({"hits": {"total": 3}})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"user": "a", "password": "secret:p", "api_key": "secret:k"}, "choose one"),
        ({"query": "a"}, "query needs an index"),
        ({"round_trip": "logs"}, "should match pattern"),
        ({"index": "a/b"}, "should match pattern"),
        ({"api_key": "inline"}, "an inline password is refused"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ElasticsearchParams.model_validate(params)
