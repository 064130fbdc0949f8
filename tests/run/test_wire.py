"""What crosses the pipe from the clerk: digests by content, parameters that are shared again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from inventory import load
from inventory.problems import ConfigError
from monitor import plan
from monitor.child.clerk import Clerk, Gone
from monitor.child.wire import Packer, UnitWire, Unpacker, card
from monitor.place import place
from monitor.store.engine import Store
from monitor.units import Units

TEXT = """
version: 1
units:
  - id: u1
    name: One
    level: hall
    timezone: Asia/Shanghai
    go_live: 2027-01-15
    contacts: {tier1: [it@one.example]}
    assets:
      - id: a
        kind: host
        address: 127.0.0.1
        checks: [{probe: tcp, port: 22, expect: {connect_ms: "<= 40"}}]
      - {id: b, kind: host, address: 127.0.0.2, checks: [{probe: tcp, port: 22}]}
  - id: u2
    name: Two
    level: hall
    assets: [{id: a, kind: host, address: 127.0.0.3, checks: [{probe: tcp, port: 22}]}]
"""


def wires(tmp_path: Path, text: str = TEXT) -> dict[str, UnitWire]:
    path = tmp_path / "inventory.yaml"
    path.write_text(text, "utf-8")
    inventory = load.load(path)
    jobs = list(plan.build(inventory, {}).jobs.values())
    packer = Packer()
    return {
        unit.id: packer.wire(card(inventory, unit.id), [job for job in jobs if job.unit == unit.id])
        for unit in inventory
    }


def test_jobs_come_out_as_they_went_in_and_share_their_parameters(tmp_path: Path) -> None:
    found = wires(tmp_path)
    unpack = Unpacker()
    one, two = unpack.jobs(found["u1"]), unpack.jobs(found["u2"])
    assert [job.id for job in one] == ["u1/a/tcp", "u1/b/tcp"]
    assert one[0].spec.name == "tcp"
    assert str(one[0].expect["connect_ms"]) == "<= 40"
    assert one[1].params is two[0].params
    assert (one[0].target.timezone, two[0].target.timezone) == ("Asia/Shanghai", "UTC")
    assert found["u1"].card.contacts["tier1"] == ("it@one.example",)
    assert found["u1"].card.gates == {"go-live": "2027-01-15"}


def test_a_digest_changes_with_the_unit_alone(tmp_path: Path) -> None:
    before, again = wires(tmp_path), wires(tmp_path)
    changed = wires(tmp_path, TEXT.replace("127.0.0.3", "127.0.0.4"))
    assert {key: each.digest for key, each in before.items()} == {
        key: each.digest for key, each in again.items()
    }
    assert changed["u1"].digest == before["u1"].digest
    assert changed["u2"].digest != before["u2"].digest


def test_a_change_names_what_to_put_and_what_to_take_off(tmp_path: Path) -> None:
    units = Units()
    for wire in wires(tmp_path).values():
        units.apply(wire)
    kept = units.job("u1/a/tcp")
    changed = wires(
        tmp_path, TEXT.replace("127.0.0.2, checks: [{probe: tcp", "127.0.0.2, checks: [{id: x, probe: tcp")
    )
    applied = units.apply(changed["u1"])
    assert [job.id for job in applied.put] == ["u1/b/x"]
    assert applied.removed == ("u1/b/tcp",)
    assert applied.addresses == {"127.0.0.2"}
    assert units.job("u1/a/tcp") is kept
    assert units.remove("u2").removed == ("u2/a/tcp",)
    assert units.remove("u2").removed == ()


@pytest.mark.may_block
async def test_the_clerk_says_only_what_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text(TEXT, "utf-8")
    Store.open(tmp_path / "state").close()
    clerk = Clerk(place(inventory=path, state_dir=tmp_path / "state"))
    try:
        first = [each async for each in clerk.load({})]
        known = {each.card.id: each.digest for each in first if isinstance(each, UnitWire)}
        assert set(known) == {"u1", "u2"}
        path.write_text(TEXT.replace("  - id: u2", "  - id: u3"), "utf-8")
        second = [each async for each in clerk.load(known)]
        assert [each.card.id for each in second if isinstance(each, UnitWire)] == ["u3"]
        assert [each.unit for each in second if isinstance(each, Gone)] == ["u2"]
        path.write_text(TEXT.replace("probe: tcp", "probe: tpc"), "utf-8")
        with pytest.raises(ConfigError, match='did you mean "tcp"'):
            [each async for each in clerk.load(known)]
        judged = [each async for each in clerk.judge("go-live")]
        assert len(judged) == 2, "a bad file leaves the last good one in force"
    finally:
        await clerk.close()


@pytest.mark.may_block
async def test_a_load_does_not_wait_for_a_long_judgement(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    unit = "  - {id: u%d, name: Hall, level: hall, profile: service-hall}\n"
    path.write_text("version: 1\nunits:\n" + "".join(unit % n for n in range(400)), "utf-8")
    Store.open(tmp_path / "state").close()
    clerk = Clerk(place(inventory=path, state_dir=tmp_path / "state"))
    try:
        known = {each.card.id: each.digest async for each in clerk.load({}) if isinstance(each, UnitWire)}
        judging = clerk.judge("go-live")
        judged = [await anext(judging)]
        loading = asyncio.ensure_future(anext(clerk.load(known), None))
        judged += [each async for each in judging]
        assert await loading is None, "nothing has changed"
        assert 0 < len(judged) < 400
        assert len([each async for each in clerk.judge("go-live")]) == 400
    finally:
        await clerk.close()
