"""From an inventory to jobs: who decides a key, what is shared, what is expected, what is not covered."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor import plan
from monitor.plan import Plan
from monitor.readiness.conditions import Compare, Statistic
from probes import registry
from tests.inventory.probes import Registry, ShellParams, TcpParams, WebParams

PROFILE = """\
version: 1
id: base
defaults: {web: {timeout: 4s, limit: 1 kB}}
checks:
  - {id: port, probe: tcp, for: {kind: [channel, host]}, port: 22, every: 60s, expect: {connect_ms: "<= 50"}}
  - {id: site, probe: web, for: {kind: application, tags: [a, b]}}
---
version: 1
id: hall
extends: [base]
checks:
  - {id: port, wait: 2s, expect: {banner: "/SSH/"}}
  - {id: counter, probe: tcp, for: {id: pc1}, port: 3389}
  - {id: remote, probe: shell, for: {role: server}, ssh: {user: profile, key: "secret:p"}}
"""


def make(directory: Path, units: str, head: str = "") -> Plan:
    """Plan an inventory with the profiles above."""
    profiles = directory / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "p.yaml").write_text(PROFILE, encoding="utf-8")
    file = directory / "inventory.yaml"
    file.write_text(f"version: 1\n{head}units:\n{units}", encoding="utf-8")
    return plan.read(file, [profiles], registry=Registry())[2]


def hall(*assets: str, key: str = "u", profile: str = "hall") -> str:
    lines = "".join(f"      - {asset}\n" for asset in assets)
    unit = f"  - id: {key}\n    name: {key}\n    level: hall\n    profile: {profile}\n"
    return f"{unit}    assets:\n{lines}"


def test_profile_and_own_checks(tmp_path: Path) -> None:
    made = make(
        tmp_path,
        hall(
            "{id: up, kind: channel, address: 10.0.0.1}",
            "{id: pc1, kind: host, address: h.b, checks: [{id: port, port: 2222, every: 30s}, {probe: web}]}",
            "{id: pc2, kind: host, address: 10.0.0.3, family: 4, checks: [{id: port, enabled: false}]}",
            "{id: app, kind: application, tags: [a, b, c], address: app}",
            "{id: app2, kind: application, tags: [a], address: app}",
        ),
    )
    assert list(made.jobs) == ["u/up/port", "u/pc1/port", "u/pc1/counter", "u/pc1/web", "u/app/site"]
    port = made.jobs["u/pc1/port"]
    assert (port.params, port.every, port.timeout) == (TcpParams(port=2222, wait=2.0), 30.0, 10.0)
    assert (port.unit, port.asset, port.check, port.target.address) == ("u", "pc1", "port", "h.b")
    assert made.jobs["u/pc1/web"].params == WebParams(limit=1000)
    assert (made.jobs["u/pc1/web"].every, made.jobs["u/pc1/web"].timeout) == (30.0, 4.0)
    assert made.uncovered == (("u", "pc2"), ("u", "app2"))


def test_order_of_layers(tmp_path: Path) -> None:
    head = "defaults: {web: {path: /inventory, limit: 2 kB}, tcp: {wait: 9s}}\n"
    made = make(
        tmp_path,
        hall(
            "{id: app, kind: application, tags: [a, b], address: app, checks: [{id: site, limit: 3 kB}]}",
            "{id: up, kind: channel, address: 10.0.0.1}",
        ),
        head,
    )
    assert made.jobs["u/app/site"].params == WebParams(path="/inventory", limit=3000)
    assert made.jobs["u/up/port"].params == TcpParams(port=22, wait=2.0)


def test_another_probe_replaces_a_profile_check(tmp_path: Path) -> None:
    own = "{id: up, kind: channel, address: h, checks: [{id: port, probe: web, path: /x}]}"
    job = make(tmp_path, hall(own)).jobs["u/up/port"]
    assert (job.spec.name, job.params, dict(job.expect)) == ("web", WebParams(path="/x", limit=1000), {})


def test_block_of_the_asset_goes_between_profile_and_own_check(tmp_path: Path) -> None:
    block = 'ssh: {user: asset, key: "secret:a"}'
    made = make(
        tmp_path,
        hall(
            "{id: one, kind: host, role: server, address: h}",
            f"{{id: two, kind: host, role: server, address: h, {block}}}",
            f"{{id: three, kind: host, role: server, address: h, {block}, "
            'checks: [{id: remote, ssh: {user: own, key: "secret:o"}}]}',
        ),
    )
    params = [made.jobs[f"u/{asset}/remote"].params for asset in ("one", "two", "three")]
    assert [each.ssh.user for each in params if isinstance(each, ShellParams)] == ["profile", "asset", "own"]
    assert made.secrets == {"p", "a", "o"}


def test_equal_checks_share_everything(tmp_path: Path) -> None:
    units = "".join(
        hall(
            f"{{id: a, kind: channel, address: 10.0.0.{i}}}",
            f"{{id: b, kind: host, address: 10.0.1.{i}, checks: [{{probe: web, limit: 5 kB}}]}}",
            key=f"u{i}",
        )
        for i in range(5)
    )
    jobs = list(make(tmp_path, units).jobs.values())
    assert len(jobs) == 15
    assert len({id(job.params) for job in jobs}) == 2
    assert len({id(job.expect) for job in jobs}) == 2


def test_timeout_that_nobody_wrote_stays_below_every(tmp_path: Path) -> None:
    own = "{id: x, kind: database, address: h, checks: [{probe: tcp, port: 1, every: 5s}]}"
    assert make(tmp_path, hall(own)).jobs["u/x/tcp"].timeout == 4.0


def test_expectations(tmp_path: Path) -> None:
    made = make(
        tmp_path,
        hall(
            "{id: pc1, kind: host, address: h, checks: [{probe: web}], expect: "
            '{port.connect_ms: "<= 9 ms", counter.connect_ms: {p95: "<= 4", over: 24h}, '
            'total_ms: {is: "<= 1 s", severity: minor, max_age: 5 min}, version: ">= 2.1"}}'
        ),
    )
    port = made.expectations["u/pc1/port"]
    assert list(port) == ["connect_ms", "banner"]
    assert port["connect_ms"].condition == Compare("<=", 9.0)
    assert (port["connect_ms"].severity, port["connect_ms"].max_age) == ("blocker", None)
    web = made.expectations["u/pc1/web"]
    assert web["total_ms"].condition == Compare("<=", 1000.0)
    assert (web["total_ms"].severity, web["total_ms"].max_age) == ("minor", 300.0)
    assert isinstance(made.expectations["u/pc1/counter"]["connect_ms"].condition, Statistic)
    assert [str(each) for each in made.jobs["u/pc1/counter"].expect.values()] == ["p95 <= 4 over 24h"]
    assert list(made.jobs["u/pc1/web"].expect) == ["total_ms", "version"]


def test_names_that_only_the_run_can_tell(tmp_path: Path) -> None:
    own = 'checks: [{probe: tcp, port: 1}, {probe: plugin}], expect: {users: "<= 5", connect_ms: "<= 9"}'
    made = make(tmp_path, hall(f"{{id: x, kind: database, address: h, {own}}}"))
    assert list(made.expectations["u/x/plugin"]) == ["users"]
    assert list(made.expectations["u/x/tcp"]) == ["connect_ms"]


def test_a_probe_without_an_address(tmp_path: Path) -> None:
    assert list(make(tmp_path, hall("{id: x, kind: database, checks: [{probe: self}]}")).jobs) == ["u/x/self"]


def test_jobs_can_be_pickled(tmp_path: Path) -> None:
    made = make(tmp_path, hall('{id: up, kind: channel, address: h, ssh: {user: a, key: "secret:x"}}'))
    job = made.jobs["u/up/port"]
    packed = pickle.dumps((job.params, dict(job.expect)))
    assert pickle.loads(packed) == (job.params, dict(job.expect))


def test_problems_of_all_kinds_at_once(tmp_path: Path) -> None:
    text = hall(
        "{id: a, kind: channel, address: h, depends_on: [nothing]}",
        "{id: b, kind: host, address: h, checks: [{probe: nope}, {probe: tcp, port: 0}], expect: {y: 1}}",
        profile="hal",
    )
    with pytest.raises(ConfigError) as caught:
        make(tmp_path, text)
    assert [problem.key for problem in caught.value.problems] == [
        "units[0].profile",
        "units[0].assets[0].depends_on[0]",
        "units[0].assets[1].checks[0].probe",
        "units[0].assets[1].checks[1].port",
    ]


def test_a_probe_that_cannot_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    asset = "{id: a, kind: host, address: h, checks: [{probe: gone}, {probe: gone, id: again}]}"
    file.write_text(f"version: 1\nunits:\n{hall(asset).replace('profile: hall', 'wave: w')}")
    with pytest.raises(ConfigError) as caught:
        plan.read(file, [], registry=Registry(broken="gone"))
    texts = [problem.message for problem in caught.value.problems]
    assert texts == ["probe \"gone\" can't be loaded: ImportError: No module named 'gone'"]


def test_a_faulty_profile_is_told_once_for_a_thousand_units(tmp_path: Path) -> None:
    units = "".join(
        hall("{id: a, kind: channel, address: h}", key=f"u{i}", profile="bad") for i in range(1000)
    )
    profiles = tmp_path / "bad"
    profiles.mkdir()
    (profiles / "bad.yaml").write_text("version: 1\nid: bad\nchecks: [{probe: tcp, prt: 1}]\n")
    file = tmp_path / "i.yaml"
    file.write_text(f"version: 1\nunits:\n{units}")
    with pytest.raises(ConfigError) as caught:
        plan.read(file, [profiles], registry=Registry())
    assert [problem.key for problem in caught.value.problems] == ["checks[0].port", "checks[0].prt"]


def test_own_profile_replaces_a_shipped_one(tmp_path: Path) -> None:
    for name, port in (("shipped", 1), ("own", 2)):
        (tmp_path / name).mkdir()
        text = f"version: 1\nid: p\nchecks: [{{probe: tcp, port: {port}}}]\n"
        (tmp_path / name / "p.yaml").write_text(text)
    file = tmp_path / "i.yaml"
    file.write_text("version: 1\nunits:\n" + hall("{id: a, kind: host, address: h}", profile="p"))
    made = plan.read(file, [tmp_path / "shipped", tmp_path / "own"], registry=Registry())[2]
    assert made.jobs["u/a/tcp"].params == TcpParams(port=2)


def test_built_in_probes_take_no_parameter_that_a_check_uses_itself() -> None:
    own = {"probe", "id", "every", "timeout", "retries", "windows", "enabled", "expect", "for"}
    for name in registry.names():
        assert not own & set(registry.get(name).params.model_fields), name
