"""Answers of NetBox's API. No NetBox runs here: the shapes are those its documentation gives for 4.2 and of 2.x."""

# ruff: noqa: E501, ISC004 - one object, one message a line

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.importers import _netbox_export, netbox, sources, writing
from inventory.models import Contracted, Inventory, Location
from inventory.problems import ConfigError

API = "http://netbox.example/api"


def one(path: str, number: int, **keys: Any) -> dict[str, Any]:
    return {"id": number, "url": f"{API}/{path}/{number}/", "display": keys.get("name", ""), **keys}


def ref(path: str, number: int, **keys: Any) -> dict[str, Any]:
    return {"id": number, "url": f"{API}/{path}/{number}/", **keys}


def answer(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"count": len(objects), "next": None, "previous": None, "results": list(objects)}


ACTIVE = {"value": "active", "label": "Active"}
GD = ref("dcim/regions", 1, name="Guangdong", slug="guangdong", _depth=0)
EXPORT: dict[str, Any] = {
    "regions": answer(
        one("dcim/regions", 2, name="Guangzhou", slug="guangzhou", parent=GD, _depth=1),
        one("dcim/regions", 1, name="Guangdong", slug="guangdong", parent=None, _depth=0),
    ),
    "sites": answer(
        one("dcim/sites", 1, name="Data centre", slug="dc", status=ACTIVE, region=GD, time_zone="Asia/Shanghai", latitude=None),
        one("dcim/sites", 2, name="天河营业厅", slug="gz-tianhe", status={"value": "planned"}, region=ref("dcim/regions", 2),
            latitude=23.13, longitude=113.26, tags=[{"slug": "pilot"}], description="opens in May"),
    ),
    "devices": answer(
        one("dcim/devices", 1, name="tianhe-cpe", role={"slug": "router", "name": "Router"}, site=ref("dcim/sites", 2), status=ACTIVE,
            device_type={"model": "AR651", "manufacturer": {"name": "Huawei"}}, serial="S1", primary_ip4=None, tags=[]),
        one("dcim/devices", 2, name="Printer 1", role={"slug": "label-printer"}, site=ref("dcim/sites", 2), status=ACTIVE,
            primary_ip={"address": "2001:db8::9/64"}),
        one("dcim/devices", 3, name="old", role={"slug": "server"}, site=ref("dcim/sites", 2), status={"value": "decommissioning"}),
        one("dcim/devices", 4, name=None, role={"slug": "server"}, site=ref("dcim/sites", 1), status=ACTIVE),
        one("dcim/devices", 5, name="lost", role={"slug": "server"}, site=ref("dcim/sites", 9), status=ACTIVE),
    ),
    "virtual_machines": answer(
        one("virtualization/virtual-machines", 1, name="billing-db", site=ref("dcim/sites", 1), status=ACTIVE, role={"slug": "database"},
            primary_ip4={"address": "10.1.0.20/24"}),
    ),
    "interfaces": answer(one("dcim/interfaces", 7, name="ge0/0/1", device=ref("dcim/devices", 1, name="tianhe-cpe"))),
    "ip_addresses": answer(
        one("ipam/ip-addresses", 1, address="10.1.2.1/30", status=ACTIVE, assigned_object_type="dcim.interface", assigned_object_id=7,
            assigned_object=ref("dcim/interfaces", 7, name="ge0/0/1", device=ref("dcim/devices", 1, name="tianhe-cpe"))),
        one("ipam/ip-addresses", 2, address="10.9.9.9/32", status={"value": "deprecated"}, assigned_object_id=7),
    ),
    "circuits": answer(
        one("circuits/circuits", 1, cid="GZ-0815", provider={"name": "Carrier one"}, status=ACTIVE, commit_rate=20000, type={"slug": "mstp"}),
        one("circuits/circuits", 2, cid="4G-1", provider={"name": "Carrier two"}, status=ACTIVE, commit_rate=None, description="Backup line"),
        one("circuits/circuits", 3, cid="X-1", provider={"name": "Carrier two"}, status=ACTIVE, commit_rate=1000),
        one("circuits/circuits", 4, cid="OLD", provider={"name": "Carrier two"}, status={"value": "decommissioned"}),
    ),
    "circuit_terminations": answer(
        one("circuits/circuit-terminations", 1, circuit=ref("circuits/circuits", 1, cid="GZ-0815"), term_side="A",
            termination_type="dcim.site", termination_id=1, termination=ref("dcim/sites", 1), port_speed=1000000),
        one("circuits/circuit-terminations", 2, circuit=ref("circuits/circuits", 1, cid="GZ-0815"), term_side="Z",
            termination_type="dcim.site", termination_id=2, termination=ref("dcim/sites", 2), port_speed=100000,
            link_peers=[ref("dcim/interfaces", 7, name="ge0/0/1", device=ref("dcim/devices", 1, name="tianhe-cpe"))]),
        one("circuits/circuit-terminations", 3, circuit=ref("circuits/circuits", 2), term_side="Z", site=ref("dcim/sites", 2),
            port_speed=100000, upstream_speed=50500),
        one("circuits/circuit-terminations", 4, circuit=ref("circuits/circuits", 3), term_side="Z",
            termination_type="circuits.providernetwork", termination=ref("circuits/provider-networks", 2)),
    ),
    "racks": answer(one("dcim/racks", 1, name="A1")),
}  # fmt: skip


def read(path: Path) -> tuple[Inventory, list[str], str]:
    draft = sources.read([path])
    return draft.finish(), draft.notes, writing.written(draft)


def check(found: Inventory) -> None:
    levels = [(unit.id, unit.level, unit.parent) for unit in found]
    assert levels == [
        ("guangdong", "province", None), ("dc", "hall", "guangdong"),
        ("guangzhou", "municipal", "guangdong"), ("gz-tianhe", "hall", "guangzhou"),
    ]  # fmt: skip
    dc, tianhe = found.units["dc"], found.units["gz-tianhe"]
    assert (dc.timezone, dc.location) == ("Asia/Shanghai", None)
    assert (tianhe.name_zh, tianhe.location, tianhe.tags) == (
        "天河营业厅",
        Location(lat=23.13, lon=113.26),
        ("pilot",),
    )
    assert [(asset.id, asset.kind, asset.address, asset.tags) for asset in dc.assets] == [
        ("device-4", "host", "", ("server",)), ("billing-db", "host", "10.1.0.20", ("database",)),
    ]  # fmt: skip
    line, backup, cpe, printer = tianhe.assets
    assert (line.id, line.kind, line.role, line.address) == ("gz-0815", "channel", "primary", "10.1.2.1")
    assert line.contracted == Contracted(down=20e6, up=20e6, provider="Carrier one", circuit="GZ-0815")
    assert (backup.role, backup.address) == ("backup", "10.1.2.1")
    assert backup.contracted == Contracted(down=100e6, up=50.5e6, provider="Carrier two", circuit="4G-1")
    assert (cpe.id, cpe.kind, cpe.address, cpe.tags) == ("tianhe-cpe", "host", "10.1.2.1", ("router",))
    assert (printer.id, printer.kind, printer.address) == ("printer-1", "peripheral", "2001:db8::9")


def test_one_file_with_all_lists(tmp_path: Path) -> None:
    path = tmp_path / "netbox.json"
    path.write_text(json.dumps(EXPORT), "utf-8")
    found, notes, text = read(path)
    check(found)
    assert notes == [
        "NetBox: 1 of racks left out: nothing of an inventory",
        "NetBox: old left out: decommissioning",
        "NetBox: lost left out: its site is not in the export",
        "NetBox: circuit X-1 left out: no site it ends at",
        "NetBox: circuit OLD left out: decommissioned",
    ]
    for comment in (
        "# netbox.json, circuits 1 GZ-0815\n", "# the line ends at tianhe-cpe ge0/0/1\n", "# its other end is in dc\n",
        "# no committed rate in NetBox: these are the speeds of the port\n", "# the address is guessed: that of tianhe-cpe, the one router\n",
        "# the level is guessed from the region's depth\n", "# status in NetBox: planned\n", "# opens in May\n",
        "# Huawei AR651, serial S1\n", "# no primary address in NetBox: this is that of ge0/0/1\n",
    ):  # fmt: skip
        assert comment in text, comment


def test_a_directory_with_one_answer_a_file(tmp_path: Path) -> None:
    directory = tmp_path / "export"
    directory.mkdir()
    for name, content in EXPORT.items():
        plain = [{key: value for key, value in each.items() if key != "url"} for each in content["results"]]
        (directory / f"x_{name}.json").write_text(json.dumps(answer(*plain)), "utf-8")
    found, _, _ = read(directory)
    check(found)


def test_netbox_2_writes_roles_and_terminations_otherwise(tmp_path: Path) -> None:
    export = {
        "sites": [one("dcim/sites", 1, name="TEST1", slug="test1", status={"value": 1, "label": "Active"})],
        "devices": [one("dcim/devices", 1, name="test1-edge1", device_role={"slug": "router"}, site=ref("dcim/sites", 1),
                        status={"value": True, "label": "Active"}, primary_ip={"address": "10.0.255.1/32"})],
        "circuits": [one("circuits/circuits", 1, cid="123456", provider={"name": "TEST"}, commit_rate=None)],
        "circuit-terminations": [one("circuits/circuit-terminations", 1, circuit=ref("circuits/circuits", 1), term_side="A",
                                     site=ref("dcim/sites", 1), port_speed=1000000,
                                     interface={"id": 4, "device": ref("dcim/devices", 1, name="test1-edge1"), "name": "xe-0/0/0"})],
    }  # fmt: skip
    path = tmp_path / "n.json"
    path.write_text(json.dumps(export))
    line, edge = read(path)[0].units["test1"].assets
    assert (line.address, line.contracted) == (
        "10.0.255.1",
        Contracted(down=1e9, up=1e9, provider="TEST", circuit="123456"),
    )
    assert (edge.id, edge.tags) == ("test1-edge1", ("router",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "n.json:1:2: no JSON; save the API's answer as it is: curl .../api/dcim/sites/?limit=0"),
        ('{"sites": {"next": "http://x/?offset=50", "results": []}}', "n.json:1:1: sites: one page of several: `next` "
         "is not null, so objects are missing; save all of them: ?limit=0, or every page"),
        ('{"sites": [{"name": "x"}]}', "n.json:1:1: sites: an object of sites without a number as its id"),
        ('{"devices": []}', "import:1:1: the export holds no sites; save /api/dcim/sites/?limit=0 as well"),
        ('{"sites": [{"id": 1, "name": "x", "time_zone": "Mars"}]}', 'n.json:1:1: sites 1 x.timezone: unknown time '
         'zone "Mars"; write one of the IANA database, such as Asia/Shanghai'),
    ],
)  # fmt: skip
def test_complaint(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "n.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert said in str(caught.value).splitlines()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "name", "site", "region", "parent", "results", "tags", "address", "status", "role", "cid", "circuit",
                         "termination", "link_peers", "device", "slug", *_netbox_export.KINDS]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(st.fixed_dictionaries({kind: st.lists(st.dictionaries(
    st.sampled_from(["name", "site", "region", "parent", "tags", "address", "status", "role", "cid", "circuit", "termination",
                     "link_peers", "device", "slug", "primary_ip4", "latitude", "longitude", "commit_rate"]),
    JSON, max_size=6).map(lambda found: {"id": 1, **found}), max_size=2) for kind in _netbox_export.KINDS}))  # fmt: skip
def test_any_objects_are_an_inventory_or_a_complaint(export: dict[str, Any]) -> None:
    made = _netbox_export.Export()
    _netbox_export._take(made, export, "x", "x.json")
    draft = netbox.drafted(made)
    writing.written(draft)
    try:
        draft.finish()
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either of the two
