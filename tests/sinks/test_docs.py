"""docs/influx.md says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from monitor.settings import Settings
from monitor.sinks.lines import OWN, TAGS
from monitor.sinks.settings import InfluxSettings

DOCS = (Path(__file__).parents[2] / "docs" / "influx.md").read_text("utf-8")
LATER = {"fact"}
"""Names that are kept free."""


def test_the_example_is_taken() -> None:
    example = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)[0]
    settings = Settings.model_validate(tomllib.loads(example))
    assert settings.influx.url
    assert settings.influx.token == "influx"
    whole = re.sub(r"^# (?=\w+ =)", "", example, flags=re.MULTILINE)
    named = set(tomllib.loads(whole)["influx"])
    assert set(InfluxSettings.model_fields) - named == {"timeout", "max_lines", "max_bytes"}


def test_every_measurement_and_tag_is_named() -> None:
    for name in OWN - LATER:
        assert f"| `muster_{name}` |" in DOCS
    for name in TAGS:
        assert f"`{name}`" in DOCS
