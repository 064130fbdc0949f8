"""Which bundles are taken in, by the real rules, files and ledger; the clock and the readings are ours."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inventory.problems import ConfigError
from monitor.bundles import bundle
from monitor.bundles.settings import TrustedKey
from monitor.gates.counter import answer, written
from monitor.gates.deciding import Decided, decide
from monitor.gates.ledger import broken
from monitor.people.refused import Refused
from monitor.place import place
from monitor.readiness.layered import Layered
from monitor.settings import load
from monitor.store.ledger import catch_up
from monitor.workspace import open_workspace
from probes.api import Outcome, Reading
from tests.gates.home import INVENTORY, Home

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = bundle.public(KEY.public_key())
LI = TrustedKey(name="li", key=PUBLIC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def reading(home: Home, age: float = 30, outcome: Outcome = Outcome.OK) -> Reading:
    found = Reading(outcome, metrics={"received": 5.0, "rtt_ms": 20.0} if outcome is Outcome.OK else {})
    found.check, found.at = "hall/pc1/icmp", home.now - age
    return found


def text(home: Home, *readings: Reading, offset: float | None = 0.0, **head: Any) -> str:
    several = readings or (reading(home),)
    manifest = {
        "gate": "go-live", "unit": "hall", "unit_digest": home.judge().unit_digest, "checklists": [],
        "version": "1", "vantage": "site:hall", "host": "laptop", "actor": "li (unauthenticated)",
        "clock": {"offset_s": offset, "check": ""}, "started_at": min(each.at for each in several) - 1,
        "finished_at": max(each.at for each in several) + 1, "nonce": "ab" * 16,
    }  # fmt: skip
    return bundle.made({**manifest, **head}, several, KEY)


def take(
    home: Home, given: str, keys: tuple[TrustedKey, ...] = (LI,), **request: Any
) -> tuple[Decided, dict[str, Any]]:
    where = place(home.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    whole = {
        "do": "bundle.import",
        "actor": "li (unauthenticated)",
        "unit": "hall",
        "bundle": given,
        **request,
    }
    evidence = Layered(None, home.readings)
    decided = decide(workspace, evidence, whole, where.settings.rights, home.now, keys)
    with closing(home.database()) as database:
        return decided, answer(decided, database.write_now(lambda c: written(c, decided)))


def refused(home: Home, given: str, keys: tuple[TrustedKey, ...] = (LI,), **request: Any) -> str:
    decided, told = take(home, given, keys, **request)
    assert (decided.draft, decided.readings, decided.evidence) == (None, (), ())
    assert home.entries() == [] or told["shown"]["not_taken"] == "replayed"
    return str(told["shown"]["not_taken"])


def test_a_good_one_is_taken_in_with_its_provenance(home: Home) -> None:
    decided, told = take(home, text(home, offset=2.5))
    [entry] = home.entries()
    assert (entry.kind, entry.unit, entry.body["key_of"]) == ("bundle.import", "hall", "li")
    assert (entry.body["vantage"], entry.body["counts"], entry.body["history"]) == ("site:hall", {"ok": 1}, 0)
    assert "unauthenticated" in entry.actor
    assert told["entry"]["body"]["digest"] == bundle.read(text(home, offset=2.5)).digest
    [one] = decided.readings
    assert (one.vantage, one.at) == ("site:hall", home.now - 27.5), "corrected by the offset"
    assert not broken(home.entries())
    with closing(home.database()) as database:
        pins = "SELECT count(*) FROM evidence WHERE reference = ?"
        assert database.read_now(lambda c: c.execute(pins, (entry.digest,)).fetchone()[0]) == 1
    home.readings.extend(decided.readings)
    row = home.row("fast")
    assert (row.status, row.vantage) == ("pass", "site:hall")


def test_the_same_again_is_replayed(home: Home) -> None:
    given = text(home)
    decided, _ = take(home, given)
    home.readings.extend(decided.readings)
    assert refused(home, given) == "replayed"
    again = text(home, reading(home, 20))
    assert again != given
    assert refused(home, again) == "replayed", "another bundle with the same nonce"


def test_after_a_crash_in_between_the_same_bundle_completes_it(home: Home) -> None:
    """The entry was written, the readings were not."""
    given = text(home)
    take(home, given)
    decided, told = take(home, given)
    assert (decided.draft, len(decided.readings), told["shown"]["completed"]) == (None, 1, 1)
    home.readings.extend(decided.readings)
    assert refused(home, given) == "replayed"
    assert len(home.entries()) == 1


def test_what_was_changed_is_tampered(home: Home) -> None:
    assert refused(home, text(home).replace("20.0", "10.0")) == "tampered"


def test_an_unknown_key_or_one_of_another_unit(home: Home) -> None:
    assert refused(home, text(home), ()) == "unknown_key"
    other = Ed25519PrivateKey.generate().public_key()
    assert refused(home, text(home), (TrustedKey(name="x", key=bundle.public(other)),)) == "unknown_key"
    assert refused(home, text(home), (LI.model_copy(update={"units": ("sz",)}),)) == "unknown_key"
    decided, _ = take(home, text(home), (LI.model_copy(update={"units": ("gz",)}),))
    assert decided.draft is not None, "the unit lies below gz"


def test_foreign(home: Home) -> None:
    given = text(home)
    home.write("inventory.yaml", INVENTORY.replace("address: 127.0.0.1", "address: 127.0.0.9"))
    assert refused(home, given) == "foreign", "the unit is another here"
    assert refused(home, text(home, unit="gz")) == "foreign"
    assert refused(home, text(home, unit="none"), unit="none") == "foreign"
    strange = reading(home)
    strange.check = "gz/core/icmp"
    assert refused(home, text(home, strange)) == "foreign"


@pytest.mark.parametrize(
    ("age", "offset", "code"),
    [
        (30, None, ""), (90, None, "clock"), (-90, None, "clock"),  # at once, or not at all
        (600, 0.0, ""), (-90, 0.0, "clock"), (-90, -85.0, ""), (600, 700.0, "clock"),
    ],
)  # fmt: skip
def test_the_clock_has_to_be_told(home: Home, age: float, offset: float | None, code: str) -> None:
    given = text(home, reading(home, age), offset=offset)
    if code:
        assert refused(home, given) == code
    else:
        assert take(home, given)[0].draft is not None


def test_a_clock_that_jumped_in_the_run(home: Home) -> None:
    given = text(home, reading(home, 30), reading(home, 40), started_at=home.now - 33, finished_at=home.now)
    assert refused(home, given) == "clock"


def test_stale_is_refused_and_what_is_partly_old_says_so(home: Home) -> None:
    """Checks of hosts count for an hour."""
    assert refused(home, text(home, reading(home, 3700))) == "stale"
    _, told = take(home, text(home, reading(home, 3700), reading(home, 60)))
    body = told["entry"]["body"]
    assert (body["readings"], body["fresh"], body["history"]) == (2, 1, 1)


def test_where_nothing_was_measured_it_is_empty(home: Home) -> None:
    assert refused(home, text(home, reading(home, outcome=Outcome.ERROR))) == "empty"


def test_an_attempt_that_measured_nothing_displaces_no_measurement(home: Home) -> None:
    home.measured(age=120)
    given = text(home, reading(home, 100), reading(home, 30, Outcome.ERROR))
    decided, _ = take(home, given)
    home.readings.extend(decided.readings)
    row = home.row("answers")
    assert (row.status, row.collected_at, row.attempted_at) == ("pass", home.now - 100, home.now - 30)


def test_an_older_bundle_does_not_displace_a_newer_reading(home: Home) -> None:
    home.measured(rtt_ms=80, age=10)
    decided, _ = take(home, text(home, reading(home, 300)))
    home.readings.extend(decided.readings)
    assert home.row("fast").status == "fail"


def test_who_has_rights_elsewhere_only_may_not(home: Home) -> None:
    with pytest.raises(Refused, match="viewer"):
        take(home, text(home), actor="elsewhere (unauthenticated)")


def test_a_key_in_the_settings_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "muster.toml"
    path.write_text(f'[[bundles.keys]]\nname = "li"\nkey = "{PUBLIC}"\nunits = ["gz"]\n', "utf-8")
    assert load(path).bundles.keys == (TrustedKey(name="li", key=PUBLIC, units=("gz",)),)
    path.write_text('[[bundles.keys]]\nname = "li"\nkey = "abc"\n', "utf-8")
    with pytest.raises(ConfigError, match="Ed25519"):
        load(path)


def test_the_largest_bundle_is_read_soon(home: Home) -> None:
    several = [reading(home, 30 + number / 100) for number in range(5000)]
    given = text(home, *several)
    begin = time.perf_counter()
    assert len(bundle.read(given).readings) == 5000
    assert time.perf_counter() - begin < 10
