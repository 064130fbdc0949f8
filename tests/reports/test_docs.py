"""The documentation's settings are loaded, and its tables name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from monitor.reports.settings import TOPICS_OF, ReportSettings
from monitor.reports.topics import TOPICS

DOC = (Path(__file__).parents[2] / "docs/reports.md").read_text("utf-8")


def test_the_settings_are_loaded() -> None:
    [text] = re.findall(r"^```toml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    found = ReportSettings.model_validate(tomllib.loads(text)["reports"])
    assert set(found.lists) == {"leaders", "tianhe-support"}


def test_roles_and_pictures_are_there() -> None:
    for role, topics in TOPICS_OF.items():
        assert f"| `{role}`" in DOC
        assert set(topics) <= set(TOPICS)
    for name in re.findall(r"\]\((pictures/[^)]+)\)", DOC):
        assert (Path(__file__).parents[2] / "docs" / name).is_file()
