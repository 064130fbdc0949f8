"""`docs/probes.md` says what the probes declare, all of it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from probes import docs, registry
from probes.api import MetricDef, Params, ProbeSpec, Reading, Seconds, Secret

PAGE = Path(__file__).parents[2] / "docs" / "probes.md"


class Base(Params):
    shared: bool = True
    """Said in the base."""


class Block(Params):
    depth: int = 1
    """How deep."""


class Example(Base):
    port: Annotated[int, Field(ge=1, le=65535)]
    """Where it listens,
    on TCP."""
    wait: Annotated[Seconds, Field(gt=0)] = 1.5
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] | None = None
    password: Secret | None = Field(None, description="Said in the field.")
    block: Block = Block()
    blocks: tuple[Block, ...] = ()


async def _run(*_: object) -> Reading:
    return Reading.ok()


def test_the_page_is_current() -> None:
    made = docs.render(docs.built_in())
    assert PAGE.read_text("utf-8") == made, "run: python -m probes.docs > docs/probes.md"


def test_parameters_in_words() -> None:
    assert docs.parameters(Example) == [
        ("`shared`", "true or false", "`true`", "Said in the base"),
        ("`port`", "integer, 1 to 65535", "required", "Where it listens, on TCP"),
        ("`wait`", "duration (s), over 0", "`1.5`", ""),
        ("`mode`", "`a` or `b`", "`a`", ""),
        ("`names`", "list of text", "", ""),
        ("`password`", "`secret:NAME`", "", "Said in the field"),
        ("`block`", "block", "as below", ""),
        ("`block.depth`", "integer", "`1`", "How deep"),
        ("`blocks`", "list of block", "", ""),
        ("`blocks.depth`", "integer", "`1`", "How deep"),
    ]


def test_a_pipe_does_not_break_a_table() -> None:
    metric = MetricDef("x_ms", "ms", "lower", help="a|b")
    page = docs.render([ProbeSpec("x", "network", "s", Example, _run, metrics=(metric,))])
    assert "| `x_ms` | ms | lower is better | a\\|b |" in page


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_every_probe_says_what_it_means(name: str) -> None:
    spec = registry.get(name)
    assert spec.name == name
    assert spec.summary
    metrics, facts = [metric.name for metric in spec.metrics], [fact.name for fact in spec.facts]
    assert all(metric.help for metric in spec.metrics)
    assert all(fact.help for fact in spec.facts)
    assert len({*metrics, *facts}) == len(spec.metrics) + len(spec.facts)
