"""`muster probe`, as people at a machine run it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from inventory.problems import ConfigError
from monitor.cli._probe_view import BAR, bar
from monitor.cli.main import app
from monitor.cli.probe import parse
from probes import registry
from tests.servers.ports import closed_port


def muster(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["probe", *arguments], env={"COLUMNS": "160", "MUSTER_SECRET_T": "hush"})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the checkout plays a part."""
    monkeypatch.chdir(tmp_path)


def test_ok() -> None:
    done = muster("host", "local")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("✔ ok  host local in ")
    assert "load1" in done.stdout
    assert "GiB" in done.stdout
    assert "kernel" in done.stdout
    assert "█" in done.stdout
    assert "count" not in done.stdout.partition("load1")[2].partition("\n")[0]


def test_failed() -> None:
    with closed_port() as port:
        done = muster("tcp", "127.0.0.1", f"port={port}")
    assert done.exit_code == 3
    assert done.stdout.startswith("✖ failed(refused)  tcp 127.0.0.1 in ")


def test_not_measured() -> None:
    done = muster("exec", "127.0.0.1", "command=[/bin/true]")
    assert done.exit_code == 5
    assert done.stdout.startswith("? error(permission)  exec 127.0.0.1 in ")
    assert 'add "/bin/true"' in done.stdout


def test_settings_allow_what_they_allow(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text('[probes]\nexec_allow = ["/bin/sh"]\n')
    done = muster(
        "exec", "x", 'command=[/bin/sh, -c, "echo $T; exit 2"]', "env.T=secret:t", "--format", "json"
    )
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["detail"] == "critical: hush"


def test_a_secret_that_is_missing_is_named() -> None:
    done = muster("exporter", "127.0.0.1", "preset=node_exporter", "bearer=secret:none")
    assert done.exit_code == 5
    assert 'no secret "none": looked in ' in done.stdout


def test_json() -> None:
    with closed_port() as port:
        done = muster("tcp", "127.0.0.1", f"port={port}", "--format", "json", "--debug")
    document = json.loads(done.stdout)
    assert document["schema"] == "muster.probe/1"
    assert (document["probe"], document["address"]) == ("tcp", "127.0.0.1")
    assert (document["outcome"], document["kind"]) == ("failed", "refused")
    assert document["at"].endswith("Z")
    assert isinstance(document["log"], list)


def test_debug_shows_the_log(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text('[probes]\nexec_allow = ["/bin/sh"]\n')
    command = "command=[/bin/sh, -c, \"echo 'OK|a=1;2'\"]"
    assert " ms  a = 1" in muster("exec", "x", command, "--debug").stdout
    assert " ms  a = 1" not in muster("exec", "x", command).stdout


def test_list() -> None:
    done = muster("--list")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in registry.names())
    documents = json.loads(muster("--list", "--format", "json").stdout)
    assert [document["name"] for document in documents] == list(registry.names())


def test_list_of_one() -> None:
    done = muster("exporter", "--list")
    assert done.exit_code == 0
    assert "parameter  preset" in done.stdout
    assert "scrape_ms" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which probe?\nmuster probe --list shows them all"),
        (("hots", "x"), 'there is no probe hots\ndid you mean "host"?'),
        (("tcp",), "tcp needs an address\nwrite: muster probe tcp ADDRESS [key=value...]"),
        (("tcp", "port=1"), "tcp needs an address"),
        (("tcp", "x", "prot=1"), 'prot: unknown key; did you mean "port"?'),
        (("tcp", "x", "port=99999"), "port: must be at most 65535"),
        (("tcp", "x", "port=1", "port=2"), "port: is given twice; leave one out"),
        (("tcp", "x", "80"), "'80' is no parameter; write key=value, e.g. port=8080"),
        (("tcp", "x", "=80"), "'=80' is no parameter"),
        (("tcp", "x", "port=1", "port.x=1"), "port.x: port has a value already; write only port.KEY=VALUE"),
        (("host", "x", "ssh.user=a", "ssh.key=text"), "ssh.key: an inline password is refused; write"),
        (("host", "x", "ssh.usr=a", "ssh.key=secret:k"), 'ssh.usr: unknown key; did you mean "user"?'),
        (("exporter", "x", "preset=node"), 'preset: unknown value "node"'),
        (("tcp", "x", "port=1", "--timeout", "5 parsecs"), "--timeout: "),
        (("tcp", "x", "port=1", "--timeout", "0"), "--timeout 0 is out of range"),
        (("tcp", "x", "port=1", "--family", "5"), "--family 5 is not known\nwrite any, 4 or 6"),
        (
            ("tcp", "x", "--format", "yaml"),
            "--format yaml is not known\nwrite --format table",
        ),
    ],
)
def test_wrongly_asked(arguments: tuple[str, ...], message: str) -> None:
    done = muster(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not done.stdout


def test_values_are_written_as_in_the_inventory() -> None:
    words = ["hardware.memory=8 GiB", "hardware.cpu_cores=4", "hardware.macs=[a, b]"]
    params = parse(registry.get("host"), [*words, "ssh.user=o", "ssh.key=secret:k"])
    assert params.model_dump(exclude_defaults=True) == {
        "hardware": {"memory": 8 * 2**30, "cpu_cores": 4, "macs": ("a", "b")},
        "ssh": {"user": "o", "key": "k"},
    }


@pytest.mark.parametrize("text", ["^220 .*", "a: b", "[a-z]: {", "'", "*x", "@", "a # b"])
def test_what_is_not_yaml_is_a_text(text: str) -> None:
    params = parse(registry.get("exec"), ["command=[/bin/x]", f"env.A={text}"])
    assert params.model_dump()["env"]["A"] in (text, text.partition(" #")[0])


@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_words_make_parameters_or_problems(words: list[str]) -> None:
    with contextlib.suppress(ConfigError):
        assert parse(registry.get("host"), words).model_fields_set is not None


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_bar_stays_in_its_picture(start: float, took: float, rest: float) -> None:
    assert len(bar(start, took, start + took + rest)) <= BAR
