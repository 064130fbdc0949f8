"""Realistic inventories by the thousand: a province with its bureaus, counties and halls, from a seed.

    python -m benchmarks.inventories --units 1000 --assets 20 --seed 1 -o DIR

writes DIR/inventory/*.yaml (one file a bureau) and DIR/profiles/generated.yaml. The same arguments give the
same bytes.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CITIES = (
    ("Guangzhou", "广州"), ("Shenzhen", "深圳"), ("Zhuhai", "珠海"), ("Shantou", "汕头"),
    ("Foshan", "佛山"), ("Shaoguan", "韶关"), ("Zhanjiang", "湛江"), ("Zhaoqing", "肇庆"),
    ("Jiangmen", "江门"), ("Maoming", "茂名"), ("Huizhou", "惠州"), ("Meizhou", "梅州"),
    ("Shanwei", "汕尾"), ("Heyuan", "河源"), ("Yangjiang", "阳江"), ("Qingyuan", "清远"),
    ("Dongguan", "东莞"), ("Zhongshan", "中山"), ("Chaozhou", "潮州"), ("Jieyang", "揭阳"),
    ("Yunfu", "云浮"),
)  # fmt: skip
PLACES = (
    ("Tianhe", "天河"), ("Yuexiu", "越秀"), ("Haizhu", "海珠"), ("Liwan", "荔湾"), ("Baiyun", "白云"),
    ("Huangpu", "黄埔"), ("Panyu", "番禺"), ("Huadu", "花都"), ("Nansha", "南沙"), ("Conghua", "从化"),
    ("Zengcheng", "增城"), ("Longgang", "龙岗"), ("Futian", "福田"), ("Luohu", "罗湖"), ("Nanshan", "南山"),
    ("Chancheng", "禅城"), ("Shunde", "顺德"), ("Sanshui", "三水"), ("Gaoming", "高明"), ("Xinhui", "新会"),
)  # fmt: skip
STREETS = (
    ("East Gate", "东门"), ("West Lake", "西湖"), ("South Street", "南街"), ("North Square", "北广场"),
    ("Riverside", "滨江"), ("Station", "车站"), ("Old Town", "老城"), ("New Port", "新港"),
    ("Jade Hill", "玉山"), ("Lychee Bay", "荔湾涌"), ("Flower Market", "花市"), ("Sports Centre", "体育中心"),
)  # fmt: skip
NAMES = {"municipal": CITIES, "county": PLACES, "hall": STREETS}
WAVES = ("w1", "w2", "w3", "w4", "w5")
OFFICE = {
    "province": "Provincial company",
    "municipal": "bureau",
    "county": "county bureau",
    "hall": "service hall",
}
OFFICE_ZH = {"province": "电网公司", "municipal": "供电局", "county": "县供电局", "hall": "营业厅"}

KINDS: dict[str, Sequence[tuple[str, str, str]]] = {
    "hall": (
        ("counter", "host", "counter"), ("kiosk", "host", "kiosk"), ("printer", "peripheral", "printer"),
        ("pos", "peripheral", "pos"), ("reader", "peripheral", "reader"), ("queue", "application", "queue"),
    ),
    "centre": (
        ("app", "application", "app"), ("db", "database", "primary"), ("mw", "middleware", "queue"),
        ("server", "host", "server"), ("gateway", "interface", "bank"), ("portal", "application", "portal"),
    ),
}  # fmt: skip
"""What follows a unit's channels: (id stem, kind, tag)."""

PROFILE = """\
version: 1
id: generated
checks:
  - {{id: icmp, probe: icmp, for: {{kind: [channel, host, peripheral]}}, every: {every}, count: {count}}}
  - id: tcp
    probe: tcp
    for: {{kind: [host, database, middleware, interface]}}
    every: {every}
    port: {tcp}
  - {{id: http, probe: http, for: {{kind: application}}, every: {every}, scheme: http, port: {http}}}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What to generate. Addresses are taken one by one from `network`, from its start again when it ends."""

    units: int = 1000
    assets: int = 20
    seed: int = 1
    network: str = "10.0.0.0/8"
    every: str = "60s"
    count: int = 10
    """Echoes a burst."""
    tcp_port: int = 22
    http_port: int = 80


@dataclass(slots=True)
class Node:
    """A unit of the tree."""

    id: str
    name: str
    name_zh: str
    level: str
    parent: str | None
    below: list[Node] = field(default_factory=list)


def tree(options: Options) -> Node:
    """Return the province with as many units as asked for: a bureau for about 50, a county for about 7."""
    rng = random.Random(options.seed)
    names = {level: rng.sample(known, len(known)) for level, known in NAMES.items()}
    root = Node("gd", "Guangdong", "广东", "province", None)
    left = options.units - 1
    bureaus = min(left, max(1, round(options.units / 50)))
    cities = [_child(root, "municipal", names["municipal"], index) for index in range(bureaus)]
    left -= bureaus
    for index in range(left // 7):
        _child(cities[index % bureaus], "county", names["county"], index // bureaus)
    left -= left // 7
    parents = [node for city in cities for node in (city, *city.below)]
    for index in range(left):
        _child(parents[index % len(parents)], "hall", names["hall"], index // len(parents))
    return root


def _child(parent: Node, level: str, names: Sequence[tuple[str, str]], index: int) -> Node:
    name, name_zh = names[index % len(names)]
    slug = name.lower().replace(" ", "-")
    stem = slug if level == "municipal" else f"{parent.id}-{slug}"
    again = index // len(names)
    key = f"{stem}-{again + 1}" if again else stem
    prefix = ("", "") if level == "municipal" else (f"{parent.name} ", parent.name_zh)
    child = Node(key, prefix[0] + name, prefix[1] + name_zh, level, parent.id)
    parent.below.append(child)
    return child


def write(directory: Path, options: Options) -> Path:
    """Write the inventory and its profile; return the inventory's directory."""
    inventory, profiles = directory / "inventory", directory / "profiles"
    inventory.mkdir(parents=True, exist_ok=True)
    profiles.mkdir(parents=True, exist_ok=True)
    text = PROFILE.format(
        every=options.every, count=options.count, tcp=options.tcp_port, http=options.http_port
    )
    (profiles / "generated.yaml").write_text(text, encoding="utf-8")
    for name, content in files(options):
        (inventory / name).write_text(content, encoding="utf-8")
    return inventory


def files(options: Options) -> Iterator[tuple[str, str]]:
    """Yield (name, content) of each file of the inventory."""
    rng = random.Random(options.seed + 1)
    addresses = _addresses(options.network)
    root = tree(options)
    head = "version: 1\n"
    yield "province.yaml", head + "timezone: Asia/Shanghai\nunits:\n" + _unit(root, options, rng, addresses)
    for city in root.below:
        nodes = [city, *city.below, *(hall for county in city.below for hall in county.below)]
        units = "".join(_unit(node, options, rng, addresses) for node in nodes)
        yield f"{city.id}.yaml", f"{head}units:\n{units}"


def _addresses(network: str) -> Iterator[str]:
    net = ipaddress.ip_network(network)
    first, size = int(net.network_address), net.num_addresses
    index = 1
    while True:
        yield str(net.network_address.__class__(first + index))
        index = index + 1 if index + 2 < size else 1


def _unit(node: Node, options: Options, rng: random.Random, addresses: Iterator[str]) -> str:
    due = f"2027-{rng.randint(1, 6):02d}-{rng.randint(1, 28):02d}"
    lines = [
        f"  - id: {node.id}",
        f"    name: {node.name} {OFFICE[node.level]}",
        f"    name_zh: {node.name_zh}{OFFICE_ZH[node.level]}",
        f"    level: {node.level}",
        *([f"    parent: {node.parent}"] if node.parent else []),
        f"    location: {{lat: {rng.uniform(20.3, 25.3):.4f}, lon: {rng.uniform(109.7, 117.2):.4f}}}",
        "    profile: generated",
        f"    go_live: {due}",
        f"    wave: {rng.choice(WAVES)}",
        f"    contacts: {{tier1: [it@{node.id}.example], tier2: [ops@gd.example]}}",
        "    assets:",
        *(f"      - {each}" for each in _assets(node, options.assets, rng, addresses)),
    ]
    return "\n".join(lines) + "\n"


def _assets(node: Node, count: int, rng: random.Random, addresses: Iterator[str]) -> Iterator[str]:
    hall = node.level in ("hall", "county")
    on = f", depends_on: [{node.parent}/uplink]" if node.parent else ""
    rate = rng.choice((10, 20, 50, 100)) * (1 if hall else 10)
    contract = (
        f"contracted: {{down: {rate} Mbit/s, up: {rate // 2} Mbit/s, provider: carrier-{rng.randint(1, 3)}}}"
    )
    role = "primary" if hall else "core"
    channels = [f"{{id: uplink, kind: channel, role: {role}, address: {next(addresses)}{on}, {contract}}}"]
    if count > 10:
        channels.append(f"{{id: backup, kind: channel, role: backup, address: {next(addresses)}}}")
    yield from channels[:count]
    stems = KINDS["hall" if hall else "centre"]
    for index in range(count - len(channels)):
        stem, kind, tag = stems[index % len(stems)]
        number, address = index // len(stems) + 1, next(addresses)
        yield f"{{id: {stem}{number}, kind: {kind}, tags: [{tag}], address: {address}{_hardware(kind, rng)}}}"


def _hardware(kind: str, rng: random.Random) -> str:
    if kind != "host":
        return ""
    return f", hardware: {{cpu_cores: {rng.choice((4, 8, 16))}, memory: {rng.choice((8, 16, 32))} GiB}}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write an inventory as the command line says."""
    default = Options()
    parser = argparse.ArgumentParser(
        prog="benchmarks.inventories", description="Write a realistic inventory."
    )
    parser.add_argument("--units", type=int, default=default.units, help="1 to 10,000")
    parser.add_argument("--assets", type=int, default=default.assets, help="in each unit")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--network", default=default.network, help="where addresses are taken from")
    parser.add_argument("--every", default=default.every)
    parser.add_argument("--tcp-port", type=int, default=default.tcp_port)
    parser.add_argument("--http-port", type=int, default=default.http_port)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = vars(parser.parse_args(arguments))
    output = given.pop("output")
    if not 1 <= given["units"] <= 10_000 or given["assets"] < 1:
        parser.error("--units must be 1 to 10,000, and --assets at least 1")
    print(write(output, Options(**given)))


if __name__ == "__main__":
    main()
