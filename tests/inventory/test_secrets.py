"""Where secrets are found, in which order, and that their values show nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.problems import ConfigError
from inventory.secrets import SecretMissing, Secrets, variable


def file(directory: Path, text: str, mode: int = 0o600) -> Path:
    path = directory / "secrets.yaml"
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text, encoding="utf-8")
    return path


def test_order(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("from systemd\n")
    path = file(tmp_path, "version: 1\nsecrets: {one: file 1, two: file 2, three: '3'}\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "MUSTER_SECRET_ONE": "e1", "MUSTER_SECRET_TWO": "e2"}
    secrets = Secrets(path, environ)
    assert [secrets.get(name) for name in ("one", "two", "three")] == ["from systemd", "e2", "3"]
    assert secrets.missing(["two", "four", "five", "four"]) == ("five", "four")


def test_missing_says_where_it_looked(tmp_path: Path) -> None:
    path = file(tmp_path, "version: 1\nsecrets: {}\n")
    with pytest.raises(SecretMissing) as caught:
        Secrets(path, {}).get("db.main")
    text = f'no secret "db.main": looked in $CREDENTIALS_DIRECTORY, MUSTER_SECRET_DB_MAIN, {path}'
    assert str(caught.value) == text
    assert variable("db.main") == "MUSTER_SECRET_DB_MAIN"


@pytest.mark.parametrize("name", ["../passwd", "/etc/passwd", "", "a/b", "a\0b", ".hidden", "x" * 200])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "passwd").write_text("x")
    (tmp_path / "inner").mkdir()
    with pytest.raises(SecretMissing):
        Secrets(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "inner")}).get(name)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_others_may_not_read_it(tmp_path: Path, mode: int) -> None:
    path = file(tmp_path, "version: 1\nsecrets: {a: hunter2}\n", mode)
    with pytest.raises(ConfigError) as caught:
        Secrets(path)
    text = f"{path}:1:1: others may read the secrets (mode {mode:04o}); chmod 600 {path}"
    assert str(caught.value) == text


def test_gone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file can't be read: no such file"):
        Secrets(tmp_path / "gone")


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nsecrets: {a: 12345}\n",
        "version: 1\nsecrets: {a: {hunter2: 12345}}\n",
        "version: 1\nsecrets: {a: [hunter2]}\n",
        "version: 1\nsecrets: {a: hunter2\n",
        "version: 1\nsecrets: {a: !hunter2 12345}\n",
        "version: 12345\nsecrets: hunter2\n",
        "version: 1\nsecrets: {a: 'hunter2\n",
        "version: 1\nsecrets: {a: *hunter2x}\n",
    ],
)
def test_no_value_in_a_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Secrets(file(tmp_path, text))
    assert "12345" not in str(caught.value)
    assert "hunter2\n" not in str(caught.value)
    assert "hunter2" not in repr(Secrets(None, {"MUSTER_SECRET_A": "hunter2"}))
