"""Ansible inventories, in both forms, as their documentation writes them."""

# ruff: noqa: E501, ISC004 - one message a line

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.importers import _ansible_ini, _ansible_yaml, sources, writing
from inventory.importers._ansible_groups import Inventory
from inventory.importers.sources import Options
from inventory.problems import ConfigError

INI = """\
# the hall's machines
mail.example ansible_user=root

[gz_hall]
pc[01:03].gz.example http_port=80
srv1 ansible_host=10.1.2.20 ansible_port=2222 ansible_user="ops man" comment='a b'  # the server
winbox ansible_connection=winrm ansible_password=hunter2
2001:db8::7

[gz_hall:vars]
ansible_user=ops
ansible_ssh_private_key_file=~/.ssh/id_hall
ansible_become_pass=hunter2

[foshan]
db-[a:c]
srv1

[databases]
db-a

[guangdong:children]
gz_hall
foshan
"""
YAML = """\
all:
  hosts:
    mail.example:
  vars: {ansible_user: ops}
  children:
    gz_hall:
      hosts:
        pc[01:03].gz.example: {http_port: 80}
        srv1:
          ansible_host: 10.1.2.20
          ansible_port: 2222
          ansible_password: !vault |
            $ANSIBLE_VAULT;1.1;AES256
            6238
          ansible_ssh_private_key_file: "{{ keys }}/id"
    web:
      hosts: {srv1: }
"""
MAP = {"gz_hall": "gz-tianhe", "foshan": "foshan"}


def read(tmp_path: Path, text: str, groups: dict[str, str], name: str = "hosts") -> Any:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return sources.read([path], options=Options(groups))


def test_ini(tmp_path: Path) -> None:
    draft = read(tmp_path, INI, MAP)
    tianhe, foshan = draft.finish()
    assert [asset.id for asset in tianhe.assets] == [
        "pc01.gz.example", "pc02.gz.example", "pc03.gz.example", "srv1", "winbox", "2001-db8-7",
    ]  # fmt: skip
    pc, srv, win = tianhe.assets[0], tianhe.assets[3], tianhe.assets[4]
    assert (pc.kind, pc.address, pc.tags) == ("host", "pc01.gz.example", ("managed", "guangdong"))
    assert pc.ssh == {"user": "ops", "key": "secret:id_hall"}
    assert srv.ssh == {"user": "ops man", "port": 2222, "key": "secret:id_hall"}
    assert (win.ssh, win.tags) == (None, ("guangdong",))
    assert [(asset.id, asset.tags) for asset in foshan.assets] == [
        ("db-a", ("guangdong", "databases")), ("db-b", ("guangdong",)), ("db-c", ("guangdong",)),
    ]  # fmt: skip
    assert draft.notes == ["1 hosts are in no group that is mapped, and left out: mail.example"]


def test_secrets_are_named_and_never_written(tmp_path: Path) -> None:
    text = writing.written(read(tmp_path, INI, MAP))
    assert "hunter2" not in text
    assert '# ansible_password (hosts, line 7) is left out: write "secret:NAME"' in text
    assert "# ansible_become_pass (hosts, line 13) is left out" in text
    assert "# also in foshan" in text
    assert "the private key ~/.ssh/id_hall goes into the secret id_hall" in text


@pytest.mark.parametrize("name", ["hosts.yml", "hosts"])
def test_yaml(tmp_path: Path, name: str) -> None:
    draft = read(tmp_path, YAML, {"gz_hall": "hall"}, name)
    assets = {asset.id: asset for asset in next(iter(draft.finish())).assets}
    assert set(assets) == {"pc01.gz.example", "pc02.gz.example", "pc03.gz.example", "srv1"}
    srv = assets["srv1"]
    assert (srv.address, srv.tags) == ("10.1.2.20", ("managed", "web"))
    assert srv.ssh == {"user": "ops", "port": 2222, "key": "secret:ssh-ops"}
    text = writing.written(draft)
    assert "AES256" not in text
    assert f"# ansible_password ({name}, line 12) is left out" in text
    assert "# a template of Ansible: {{ keys }}/id" in text


def test_the_list_of_ansible_inventory(tmp_path: Path) -> None:
    text = (
        '{"_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1"}}},'
        ' "all": {"children": ["ungrouped", "g"]}, "g": {"hosts": ["a", "b"]}}'
    )
    unit = next(iter(read(tmp_path, text, {"g": "u"}, "list.json").finish()))
    assert [(asset.id, asset.address) for asset in unit.assets] == [("a", "10.0.0.1"), ("b", "b")]


@pytest.mark.parametrize(
    ("text", "groups", "said"),
    [
        (INI, {}, "hosts:1:1: which groups are units? There are databases (1), foshan (4), guangdong (9), "
         "gz_hall (6); write --map GROUP=UNIT for each that is one"),
        (INI, {"gz-hall": "a"}, 'hosts:1:1: --map gz-hall: there is no group "gz-hall"; did you mean "gz_hall"?'),
        ("[a]\nx y\n", {"a": "a"}, "hosts:2:1: a: a host's variables are written key=value; put values with "
         "blanks in quotes"),
        ("[a]\nx k='y\n", {"a": "a"}, "hosts:2:1: a: a quote is not closed; close it"),
        ("[a]\nx[1:\n", {"a": "a"}, 'hosts:2:1: a: "x[1:" is no range; write it as pc[01:20]'),
        ("[a]\nx[1:b]\n", {"a": "a"}, 'hosts:2:1: a: "[1:b]" is no range; write numbers or letters, and a step '
         "above 0"),
        ("[a]\nx[0:999999999]\n", {"a": "a"}, "hosts:2:1: a: a range of over 200000 hosts; write less"),
        ("[a:kids]\nb\n", {"a": "a"}, 'hosts:1:1: a: unknown section ":kids"; write :children or :vars'),
        ("[a]\n'_ x' ansible_host=1.2.3\n", {"a": "a"}, 'hosts:2:1: address: "1.2.3" is no IPv4 address; write '
         "four numbers from 0 to 255, without leading zeros"),
        ("all:\n  hosts: 7\n", {"all": "a"}, 'hosts:2:10: all.hosts: must be a mapping of keys to values; write '
         '"name:" with a colon behind it'),
        ("all:\n  host: {}\n", {"all": "a"}, "hosts:2:1: all.host: unknown key; below a group stand hosts, "
         "children, vars"),
        ("all: [\n", {"all": "a"}, "hosts:2:1: no YAML: did not find expected node content"),
    ],
)  # fmt: skip
def test_complaint(tmp_path: Path, text: str, groups: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, groups).finish()
    assert said in str(caught.value).splitlines()


def test_a_ring_of_groups_ends(tmp_path: Path) -> None:
    unit = next(iter(read(tmp_path, "[a:children]\nb\n[b:children]\na\n[b]\nx\n", {"a": "u"}).finish()))
    assert [asset.id for asset in unit.assets] == ["x"]
    with pytest.raises(ConfigError, match="too many groups, or too deep"):
        read(tmp_path, "all: &a\n  children:\n    b: *a\n", {"all": "u"}, "h.yml")


def test_what_is_nested_too_deep_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no YAML that can be read"):
        read(tmp_path, "a: " + "[" * 5000, {"a": "u"}, "h.yml")


def reading(text: str, reader: Any) -> Iterator[str]:
    found = Inventory()
    try:
        reader(text, "x", found)
    except ConfigError as error:
        found.problems += error.problems
    for host in found.hosts.values():
        found.variables(host)
        yield host.name


LINES = st.lists(
    st.sampled_from(
        ["[a]", "[a:vars]", "[b:children]", "x", "x[1:3]", "k=v", "all:", "  hosts:", "    x: {a: 1}", "'"]
    )
    | st.text(max_size=12),
    max_size=8,
).map("\n".join)


@given(LINES)
def test_any_text_is_read_or_complained_of(text: str) -> None:
    list(reading(text, _ansible_ini.read))
    list(reading(text, _ansible_yaml.read))
