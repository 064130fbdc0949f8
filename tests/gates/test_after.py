"""After a signature: regressed by three readings, drifted by the digest, unverified while unknown."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import pytest

from monitor.gates.after import After, signoff
from monitor.gates.ledger import Draft, Entry
from monitor.gates.standing import Standing
from monitor.readiness.document import CheckDocument
from monitor.readiness.results import Run
from monitor.store import ledger
from monitor.store.ledger import catch_up
from tests.gates.home import DAY, INVENTORY, Home


@pytest.fixture
def signed(home: Home) -> Home:
    home.drilled()
    home.reported()
    sign(home.measured())
    return home


def sign(home: Home) -> Entry:
    subject = home.ask("sign.look")["shown"]["subject"]
    return Entry(**home.ask("sign", "boss", subject=subject)["entry"])


def standing(home: Home) -> Standing:
    found = Standing()
    catch_up(home.directory / "state", found)
    return found


def look(home: Home, after: After) -> list[Draft]:
    """Look at the hall as it is judged now, and note what is found."""
    found = list(after.look(standing(home), "go-live", home.judge(), home.now))
    with closing(home.database()) as database:
        for draft in found:
            database.write_now(partial(ledger.noted, draft=draft))
    return found


def shown(home: Home) -> dict[str, Any]:
    found = signoff(standing(home), "go-live", home.judge())
    assert found is not None
    return found


def slow(home: Home, rtt_ms: float = 90) -> Home:
    home.now += 60
    return home.measured(rtt_ms=rtt_ms, age=1)


def test_a_unit_that_was_not_signed_has_nothing_to_lose(home: Home) -> None:
    assert look(home, After()) == []
    assert signoff(standing(home), "go-live", home.judge()) is None


def test_three_failed_readings_in_a_row_make_it_regressed(signed: Home) -> None:
    after = After()
    assert look(signed, after) == []
    assert look(slow(signed), after) == []
    assert look(signed, after) == [], "the same reading counts once"
    assert look(slow(signed), after) == []
    assert look(slow(signed, 12), after) == [], "a good one between"
    for _ in range(2):
        assert look(slow(signed), after) == []
    [found] = look(slow(signed), after)
    assert (found.kind, found.item, found.asset, found.actor) == ("after.regressed", "fast", "pc1", "daemon")
    assert look(slow(signed), after) == [], "it is told once"
    assert shown(signed)["states"] == ["regressed"]
    assert shown(signed)["regressed"] == ["fast (pc1)"]


def test_only_a_new_signature_clears_it(signed: Home) -> None:
    after = After()
    for _ in range(3):
        look(slow(signed), after)
    slow(signed, 12)
    assert look(signed, after) == []
    assert shown(signed)["states"] == ["regressed"]
    sign(signed)
    assert shown(signed)["states"] == ["signed"]


def test_what_people_state_counts_at_once(signed: Home) -> None:
    signed.drilled(fails=True, files=[], statement="the plan is gone")
    [found] = look(signed, After())
    assert (found.kind, found.item) == ("after.regressed", "drill")
    assert "the plan is gone" in found.body["text"]


def test_unverified_while_a_row_is_unknown(signed: Home) -> None:
    signed.now += 3 * 3600
    assert shown(signed)["states"] == ["unverified"]
    assert look(signed, After()) == []
    signed.measured()
    assert shown(signed)["states"] == ["signed"]
    signed.now += 31 * DAY
    assert "unverified" in shown(signed)["states"]


def test_drifted_when_the_unit_itself_changes_and_not_when_another_does(signed: Home) -> None:
    signed.write("inventory.yaml", INVENTORY.replace("Guangzhou bureau", "Foshan bureau"))
    assert look(signed, After()) == []
    signed.write("inventory.yaml", INVENTORY.replace("every: 60s", "every: 90s"))
    [found] = look(signed, After())
    assert found.kind == "after.drifted"
    signed.write("inventory.yaml", INVENTORY)
    assert look(signed, After()) == []
    assert shown(signed)["states"] == ["drifted"], "until it is signed anew"
    sign(signed)
    assert shown(signed)["states"] == ["signed"]


def test_a_row_that_failed_when_it_was_signed_is_no_regress(home: Home) -> None:
    home.drilled()
    home.reported()
    home.measured(rtt_ms=90)
    home.waive(expires_at=home.now + 100)
    home.ask("waive.approve", "boss", waiver="w3")
    sign(home)
    after = After()
    for _ in range(3):
        found = look(slow(home), after)
    assert found == [], "two failed readings after its waiver ended"
    [found_] = look(slow(home), after)
    assert found_.item == "fast", "a waiver that ran out excuses nothing"


def test_what_is_shown_fits_the_contract(signed: Home) -> None:
    run = Run("go-live", "stored", signed.now, signed.now, [signed.judge()])
    [unit] = CheckDocument.model_validate(run.plain()).units
    assert unit.signoff is not None
    assert (unit.signoff.states, unit.signoff.verdict) == (["signed"], "READY")
