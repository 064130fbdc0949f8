"""Drivers are imported when they are needed, and named where they are missing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from probes._driver import driver, loaded
from probes.errors import MissingDriver


def test_a_driver_that_is_there() -> None:
    assert driver("json", "any").__name__ == "json"


def test_a_missing_one_says_what_to_install() -> None:
    with pytest.raises(MissingDriver) as missing:
        driver("no_such_driver", "oracle")
    assert missing.value.detail == "no_such_driver is missing: install muster-monitor[oracle]"


def test_one_whose_own_needs_are_missing_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "muster_half_driver.py").write_text("import muster_other_half")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        MissingDriver, match=r"^muster_other_half is missing: install muster-monitor\[half\]$"
    ):
        driver("muster_half_driver", "half")


async def test_the_first_import_is_made_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "muster_slow_driver.py").write_text("import time\ntime.sleep(0.2)\nhere = 1")
    monkeypatch.syspath_prepend(tmp_path)
    assert (await loaded("muster_slow_driver", "slow")).here == 1
    assert (await loaded("muster_slow_driver", "slow")) is sys.modules.pop("muster_slow_driver")
    with pytest.raises(MissingDriver):
        await loaded("no_such_driver", "oracle")


async def test_one_that_another_run_is_importing_is_waited_for_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "muster_slower_driver.py").write_text("import time\ntime.sleep(0.4)\nhere = 1")
    monkeypatch.syspath_prepend(tmp_path)
    first = asyncio.create_task(loaded("muster_slower_driver", "slow"))
    while "muster_slower_driver" not in sys.modules:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(loaded("muster_slower_driver", "slow"))
    await asyncio.sleep(0.01)
    assert not first.done(), "the second held the loop until the first was there"
    assert (await first) is (await second) is sys.modules.pop("muster_slower_driver")
