"""What docs/middleware.md says of brokers: its checks are taken, and its rights are those of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory.source import parse
from probes import registry
from probes.middleware._broker import BrokerParams
from tests.probes.middleware import conftest, test_mqtt, test_nats
from tests.servers import activemq

PAGE = (Path(__file__).parents[3] / "docs" / "middleware.md").read_text("utf-8")
BROKERS = ("amqp", "kafka", "mqtt", "nats", "stomp")
CHECKS = [
    check
    for example in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for check in parse(example.encode(), "example")[0].data["checks"]
    if check["probe"] in BROKERS
]


def _section(name: str) -> str:
    return PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]


def test_there_is_an_example_of_each() -> None:
    assert sorted(check["probe"] for check in CHECKS) == sorted(BROKERS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check["probe"]))
def test_an_example_is_taken(check: dict[str, object]) -> None:
    given = {key: value for key, value in check.items() if key not in ("probe", "every")}
    params = registry.get(str(check["probe"])).params.model_validate(given)
    assert isinstance(params, BrokerParams)
    assert params.tls == given.get("tls", "off")


def test_rights_of_rabbitmq() -> None:
    tag, configure, write, read = conftest.USERS["monitor"]
    assert f"set_user_tags monitor {tag}\n" in PAGE
    assert f"set_permissions -p / monitor '{configure}' '{write}' '{read}'\n" in PAGE
    _, configure, write, read = conftest.USERS["mqtt"]
    assert write == read
    assert f"configure `{configure}`, write and read `{write}`" in PAGE
    assert conftest.USERS["stomp"][1:] == conftest.USERS["monitor"][1:]


def test_rights_of_the_others() -> None:
    block = re.search(r"```\n(user monitor\n.*?)```", PAGE, re.DOTALL)
    assert block
    assert block[1] in test_mqtt.ACL
    lines = re.findall(r"(?:publish|subscribe): .*", _section("nats"))
    assert len(lines) == 2
    assert all(line in test_nats.USERS for line in lines)
    squeezed = " ".join(activemq.CONFIG.split())
    entries = re.findall(r"<.*Entry .*/>", _section("stomp"))
    assert len(entries) == 3
    for line in entries:
        for what, who in re.findall(r'(read|write|admin)="(monitors)"', line):
            entry = re.search(rf"<{re.split(r' (?:read|write)=', line[1:])[0]} [^>]*/>", squeezed)
            assert entry, line
            assert re.search(rf'{what}="[^"]*{who}', entry[0]), line


@pytest.mark.parametrize("name", BROKERS)
def test_what_was_tested_is_said(name: str) -> None:
    assert "Tested against" in _section(name)
    assert re.search(r"not tested", _section(name), re.IGNORECASE)
