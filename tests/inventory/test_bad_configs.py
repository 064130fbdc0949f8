"""Every file in tests/bad_configs gets exactly the text beside it: where, which key, what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor import plan
from tests.inventory.probes import Registry

CORPUS = Path(__file__).parent.parent / "bad_configs"
CASES = sorted(path.stem for path in CORPUS.glob("*.expected"))


def complaint(case: str) -> str:
    """Return what the program says of a case, with file names relative to the corpus."""
    directory = CORPUS / case
    path, profiles = CORPUS / f"{case}.yaml", CORPUS / "_profiles"
    if directory.is_dir():
        own = directory / "profiles"
        path, profiles = (directory / "inventory.yaml", own) if own.is_dir() else (directory, profiles)
    with pytest.raises(ConfigError) as caught:
        plan.read(path, [profiles], registry=Registry())
    return f"{caught.value}\n".replace(f"{CORPUS}/", "")


@pytest.mark.parametrize("case", CASES)
def test_exact_message(case: str) -> None:
    assert complaint(case) == (CORPUS / f"{case}.expected").read_text(encoding="utf-8")


def test_corpus_is_complete() -> None:
    files = {path.stem for path in CORPUS.glob("*.yaml")}
    directories = {path.name for path in CORPUS.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert files | directories == set(CASES)
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", [case for case in CASES if "password" in case or case == "address_url"])
def test_no_secret_in_a_message(case: str) -> None:
    for word in ("hunter2", "12345", "pw@"):
        assert word not in complaint(case)
