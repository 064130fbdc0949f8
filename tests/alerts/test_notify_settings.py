"""`[notify]`: what is wrong is said with what to write instead; every documented example is valid."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import date
from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor import settings
from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.webhook import signature
from monitor.incidents.incident import Severity

DOC = (Path(__file__).parents[2] / "docs/notifications.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


def load(tmp_path: Path, text: str) -> NotifySettings:
    file = tmp_path / "muster.toml"
    file.write_text(text, "utf-8")
    return settings.load(file).notify


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_is_valid(tmp_path: Path, number: int) -> None:
    assert load(tmp_path, EXAMPLES[number]).model_fields_set


def test_what_the_examples_mean(tmp_path: Path) -> None:
    routes = load(tmp_path, EXAMPLES[0]).routes
    assert [each.to for each in routes] == [
        (), ("tier1", "duty-group"), ("dba@gd.example",), ("oncall:night",),
    ]  # fmt: skip
    assert routes[2].escalate is not None
    assert routes[2].escalate.steps() == ((2, 900.0), (3, 3600.0))
    night = load(tmp_path, EXAMPLES[1]).oncall["night"]
    monday = 1_799_107_200.0  # 2027-01-05 08:00 in Shanghai, a Tuesday
    assert [night.at(monday + week * 7 * 86400) for week in range(3)] == list(night.people)
    assert night.overrides == {date(2027, 2, 6): "wu@gd.example"}
    channels = load(tmp_path, EXAMPLES[-1]).channels
    assert channels["desk"].ca_file == tmp_path / "desk-ca.pem"
    assert load(tmp_path, EXAMPLES[-1]).secrets() == ("duty_group", "desk_key")


def test_the_receiver_of_the_documentation_takes_what_is_sent_and_nothing_else() -> None:
    names: dict[str, object] = {"hashlib": hashlib, "hmac": hmac, "time": time}
    exec(compile(PYTHON[0], "notifications.md", "exec"), names)
    genuine = names["genuine"]
    assert callable(genuine)
    now = int(time.time())
    assert genuine(b"key", b"{}", signature("key", b"{}", now))
    assert not genuine(b"key", b"{}", signature("key", b"{}", now - 301))
    assert not genuine(b"other", b"{}", signature("key", b"{}", now))


BAD = {
    "[notify]\nremind = '4 h'\n": "2:1: notify.remind: unknown key",
    "[notify]\nremind_every = '5 s'\n": 'a reminder within a minute is none; write at least "1 min"',
    "[[notify.routes]]\nto = ['tier4']\n": "there is no [notify.channels.tier4]",
    "[[notify.routes]]\nto = ['oncall:nigth']\n[notify.oncall.night]\npeople = ['a@b.example']\n":
        'there is no [notify.oncall.nigth]; did you mean "night"?',
    "[[notify.routes]]\nto = ['Ops Team']\n": '"Ops Team" names no channel',
    "[[notify.routes]]\nto = ['a@b@c']\n": "is no mail address",
    "[[notify.routes]]\nwindows = ['nightly']\n": '"nightly" is no window',
    "[[notify.routes]]\nseverity = 'blocker'\n": "severity",
    "[[notify.routes]]\nkinds = ['printer']\n": "kinds",
    "[notify.escalate]\ncritical = {tier2 = '2 h', tier3 = '1 h'}\n": "tier3 would be told before tier2",
    "[notify.oncall.night]\npeople = []\n": "notify.oncall.night.people",
    "[notify.oncall.night]\npeople = ['a@b.example']\nhandover = 'noon'\n":
        '"noon" is no handover; write "mon 09:00"',
    "[notify.oncall.night]\npeople = ['a@b.example']\nzone = 'China'\n": "notify.oncall.night.zone",
    "[notify.digest]\nseverities = ['critical']\n": "what is critical does not wait for a digest",
    "[notify.digest]\nat = '8:00'\n": "notify.digest.at",
    "[notify.channels.mail]\nurl = 'secret:x'\n": '"mail" has a meaning of its own',
    "[notify.channels.duty]\n": 'a channel has either url or webhook; write url = "secret:NAME"',
    "[notify.channels.duty]\nurl = 'dingtalk://hunter2'\n": "an inline password is refused",
    "[notify.channels.duty]\nwebhook = 'https://x.example/'\n": "webhook and key belong together",
    "[notify.channels.duty]\nwebhook = 'http://x.example/hunter2'\nkey = 'secret:k'\n":
        "over clear text is refused",
    "[notify.channels.duty]\nwebhook = 'https://u:hunter2@x.example/'\nkey = 'secret:k'\n": "without a login",
    "[notify.channels.duty]\nwebhook = 'https://x.example:port/'\nkey = 'secret:k'\n":
        "the webhook is no address",
    "[notify.limits]\nstorm = 0\n": "2:1: notify.limits.storm",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    assert BAD[text] in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_the_defaults() -> None:
    found = NotifySettings()
    assert found.escalate.of(Severity.CRITICAL).steps() == ((2, 1800.0), (3, 7200.0))
    assert found.escalate.of(Severity.WARNING).steps() == ()
    assert (found.remind_every, found.quiet.windows, found.digest.severities) == (14400.0, (), frozenset())
