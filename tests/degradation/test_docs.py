"""docs/degradation.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.degradation import LatencyRules, Sensitivity, loss, rate

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "degradation.md").read_text("utf-8").split())
RULES = LatencyRules()


@pytest.mark.parametrize(
    "said",
    [
        f"blocks of {RULES.block_s / 60:g} minutes",
        f"{RULES.relative:.0%} of the base, {RULES.absolute:g} ms".replace("%", " %"),
        f"at least {RULES.level_floor:.0%} of the median and {RULES.level_floor_ms:g} ms".replace("%", " %"),
        f"is summed up; {RULES.level_limit:g} is an alarm",
        f"before {RULES.warm_samples} samples",
        f"adds less than {RULES.again_share:g} of the first",
        f"`low` {Sensitivity.LOW.scale:g}, `normal` {Sensitivity.NORMAL.scale:g} (the default), `high` 0.7",
        f"no more than {loss.CLIP_A_MINUTE:g} a minute; {loss.LIMIT:g} is an alarm",
        f"allowance {rate.ALLOWANCE:g}, limit {rate.LIMIT:g}",
    ],
)
def test_the_page_gives_the_figures_of_the_code(said: str) -> None:
    assert said in TEXT


def test_numbers_in_words() -> None:
    assert (RULES.reference_blocks, RULES.restless, RULES.jump_limit, RULES.jump_forgives) == (6, 4, 6, 0.75)
    assert (RULES.calm_samples, RULES.level_drift, RULES.adopt_s) == (10, 2, 86400)
    for words in (
        "last six healthy blocks",
        "four times the path's own",
        "Six such samples",
        "ten calm samples",
    ):
        assert words in TEXT
