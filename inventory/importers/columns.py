"""The sheets of a workbook and their columns, one for each key of the inventory, in two languages."""

# ruff: noqa: E501 - a table of Chinese texts, whose characters count twice

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from inventory.models import LEVELS, Kind
from inventory.problems import Path_

Form = Literal[
    "text", "setting", "number", "quantity", "date", "flag", "list", "uses", "dates", "streams", "mapping"
]


@dataclass(frozen=True, slots=True)
class Column:
    """A key of the inventory as a column: `path` is where its value goes in the unit, asset or check."""

    heading: str
    path: Path_
    zh: str
    """The heading in Chinese, which is read, too."""
    form: Form = "text"
    help: str = ""
    help_zh: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    source: str = ""
    """`sheet` whose first column holds the values it may take."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class SheetOf:
    """A sheet: the columns every workbook may have, and blocks whose keys make further ones (`ssh.user`)."""

    name: str
    zh: str
    columns: tuple[Column, ...]
    blocks: tuple[str, ...] = ()

    def column(self, heading: str) -> Column | None:
        """Return the column with that heading, in English or Chinese, or None."""
        name = heading.strip()
        for column in self.columns:
            if name.casefold() == column.heading or name == column.zh:
                return column
        block, dot, key = name.partition(".")
        if dot and key and block in self.blocks:
            form: Form = "quantity" if name in WITH_UNIT else "setting"
            return Column(name, (block, *key.split(".")), name, form)
        return None

    @property
    def headings(self) -> tuple[str, ...]:
        """All headings, for the "did you mean"."""
        return tuple(name for column in self.columns for name in (column.heading, column.zh))


WITH_UNIT = ("hardware.memory", "hardware.disk")
_LISTED = ("Several with a comma between.", "多个值用逗号分隔。")


def _listed(heading: str, zh: str, help_: str, help_zh: str, example: str, path: Path_ = ()) -> Column:
    told = f"{help_} {_LISTED[0]}", f"{help_zh}{_LISTED[1]}"
    return Column(heading, path or (heading,), zh, "list", *told, example)


def _quantity(heading: str, zh: str, path: Path_, help_: str, help_zh: str, example: str) -> Column:
    return Column(heading, path, zh, "quantity", help_, help_zh, example)


_NAMES = (
    Column("name", ("name",), "名称", help="Its name for people.", help_zh="名称。", example="Tianhe hall"),
    Column("name_zh", ("name_zh",), "中文名称", help="The name in Chinese.", help_zh="中文名称。",
           example="天河营业厅"),
)  # fmt: skip

UNITS = SheetOf("units", "单位", (
    Column("id", ("id",), "单位编号", help="Lower-case letters, digits, - _ and . ; unique.",
           help_zh="小写字母、数字、- _ 和 . ；不可重复。", example="gz-tianhe", required=True),
    Column("name", ("name",), "名称", help="Its name for people.", help_zh="名称。",
           example="Tianhe hall", required=True),
    _NAMES[1],
    Column("level", ("level",), "层级", help="province > municipal > county > hall.",
           help_zh="省 province、市 municipal、县 county、营业厅 hall。", example="hall", choices=LEVELS,
           required=True),
    Column("parent", ("parent",), "上级单位", help="The id of the unit above.", help_zh="上级单位的编号。",
           example="gz", source="units"),
    Column("timezone", ("timezone",), "时区", help="Of the IANA database; else the parent's.",
           help_zh="IANA 时区；不填则同上级单位。", example="Asia/Shanghai"),
    Column("lat", ("location", "lat"), "纬度", "number", "Degrees north.", "北纬（度）。", "23.13"),
    Column("lon", ("location", "lon"), "经度", "number", "Degrees east.", "东经（度）。", "113.26"),
    Column("profile", ("profile",), "模板", help="What is measured there: the id of a profile.",
           help_zh="监测模板的编号。", example="service-hall"),
    Column("release", ("release",), "发布版本", help="What should run there: the id of a release.",
           help_zh="应运行的版本编号。", example="mms-2.4"),
    Column("go_live", ("go_live",), "上线日期", "date", "Year-month-day.", "年-月-日。", "2027-01-15"),
    Column("gates", ("gates",), "关口日期", "dates", "Dates by gate, instead of go_live.",
           "各关口的日期，代替上线日期。", "rehearsal: 2026-12-20, go-live: 2027-01-15"),
    Column("wave", ("wave",), "批次", help="Which units go live together.", help_zh="上线批次。", example="w3"),
    _listed("tags", "标签", "What checklists select by.", "清单按标签选择。", "pilot"),
    _listed("tier1", "一线联系人", "Mail addresses.", "邮件地址。", "it@gz.example", ("contacts", "tier1")),
    _listed("tier2", "二线联系人", "Mail addresses.", "邮件地址。", "ops@gd.example", ("contacts", "tier2")),
    _listed("tier3", "三线联系人", "Mail addresses.", "邮件地址。", "vendor@example.org",
            ("contacts", "tier3")),
    Column("functions", ("functions",), "业务功能", "uses", "Business functions and their users.",
           "业务功能及用户数。", "counter-query: 12, pos: 12"),
    _listed("bulk", "批量传输", "Bulk transfers by name.", "批量传输的名称。", "meter-upload"),
    Column("realtime", ("realtime",), "实时业务", "streams", "Real-time functions and their streams at a time.",
           "实时业务及并发路数。", "hotline-voice: 6"),
    _quantity("rtt", "设计往返时延", ("network", "rtt"), "The design round trip time.", "设计往返时延。",
              "60 ms"),
    Column("mss", ("network", "mss"), "最大报文段", "number", "Bytes of payload in a segment.",
           "报文段的载荷字节数。", "1360"),
    Column("carries", ("network", "carries"), "承载", help="Whose functions its channel carries.",
           help_zh="通道承载本单位（own）或含下级单位（below）的业务。", example="own", choices=("own", "below")),
))  # fmt: skip

ASSETS = SheetOf("assets", "资产", (
    Column("unit", (), "所属单位", help="The id of its unit.", help_zh="所属单位的编号。",
           example="gz-tianhe", source="units", required=True),
    Column("id", ("id",), "资产编号", help="Unique within the unit.", help_zh="在单位内不可重复。",
           example="uplink", required=True),
    Column("kind", ("kind",), "类别", help="What it is; interface is an outside system.",
           help_zh="通道、主机、应用、数据库、中间件、外设、外部接口。", example="channel",
           choices=get_args(Kind), required=True),
    *_NAMES,
    Column("address", ("address",), "地址", help="Host name or IP address; no port, no URL.",
           help_zh="主机名或 IP 地址，不含端口和网址。", example="10.1.2.1"),
    Column("family", ("family",), "地址族", help="Which addresses may be used.", help_zh="可用的地址族。",
           example="any", choices=("any", "4", "6")),
    Column("role", ("role",), "角色", help="Of a channel: core, primary, backup.",
           help_zh="通道为 core、primary 或 backup。", example="primary"),
    _listed("tags", "标签", "What profiles select by.", "模板按标签选择。", "counter"),
    _listed("depends_on", "依赖", "asset, or unit/asset; [] is nothing; empty: any channel of the unit.",
            "资产或 单位/资产；[] 表示无依赖；不填表示本单位任一通道。", "gz/core"),
    _listed("shares", "共用线路", "Channels that use the same line.", "共用同一线路的通道。", "backup"),
    _quantity("down", "下行带宽", ("contracted", "down"), "What the carrier promised.", "运营商承诺的下行带宽。",
              "20 Mbit/s"),
    _quantity("up", "上行带宽", ("contracted", "up"), "What the carrier promised.", "运营商承诺的上行带宽。",
              "10 Mbit/s"),
    Column("provider", ("contracted", "provider"), "运营商", help="The carrier.", help_zh="运营商。",
           example="carrier one"),
    Column("circuit", ("contracted", "circuit"), "电路编号", help="The carrier's number of the line.",
           help_zh="运营商的电路编号。", example="GZ-0815"),
    Column("ssh.user", ("ssh", "user"), "SSH 账号", "setting", "Account to log in with.", "登录账号。", "ops"),
    Column("ssh.key", ("ssh", "key"), "SSH 密钥", "setting", "Never the key itself: secret:NAME.",
           "只写 secret:名称，不写密钥本身。", "secret:hall_ssh"),
    Column("snmp.version", ("snmp", "version"), "SNMP 版本", "setting", "1, 2c or 3.", "1、2c 或 3。", "2c"),
    Column("snmp.community", ("snmp", "community"), "SNMP 团体名", "setting", "Only as secret:NAME.",
           "只写 secret:名称。", "secret:hall_snmp"),
    Column("hardware.cpu_cores", ("hardware", "cpu_cores"), "CPU 核数", "setting", "What it should have.",
           "应有的核数。", "4"),
    _quantity("hardware.memory", "内存", ("hardware", "memory"), "What it should have.", "应有的内存。", "8 GiB"),
    Column("ssh", ("ssh",), "SSH", "mapping", "Further keys of the block.", "其余参数。", "{port: 2222}"),
    Column("snmp", ("snmp",), "SNMP", "mapping", "Further keys of the block.", "其余参数。", "{port: 1161}"),
    Column("hardware", ("hardware",), "硬件", "mapping", "Further keys of the block.", "其余参数。",
           "{sockets: 1}"),
    Column("expect", ("expect",), "要求", "mapping", "What must hold.", "必须满足的条件。",
           '{rtt_ms: "<= 40"}'),
), blocks=("ssh", "snmp", "hardware"))  # fmt: skip

CHECKS = SheetOf("checks", "检查", (
    Column("unit", (), "所属单位", help="The id of the unit.", help_zh="单位编号。", example="gz-tianhe",
           source="units", required=True),
    Column("asset", (), "所属资产", help="The id of the asset.", help_zh="资产编号。", example="uplink",
           required=True),
    Column("probe", ("probe",), "探针", help="Which probe measures (docs/probes.md).",
           help_zh="使用的探针（docs/probes.md）。", example="icmp"),
    Column("id", ("id",), "检查编号", help="Left empty: the probe's name.", help_zh="不填则为探针名。",
           example="line"),
    _quantity("every", "间隔", ("every",), "From one run to the next.", "运行间隔。", "60 s"),
    _quantity("timeout", "超时", ("timeout",), "What a run may take.", "单次运行时限。", "10 s"),
    Column("retries", ("retries",), "重试次数", "number", "Further tries at once.", "失败后立即重试的次数。", "0"),
    _listed("windows", "时间窗", "When a check that loads a link may run.", "占用带宽的检查可运行的时段。",
            "mon-fri 22:00-06:00"),
    Column("enabled", ("enabled",), "启用", "flag", "false switches it off.", "false 表示停用。", "true",
           choices=("true", "false")),
    Column("parameters", ("parameters",), "参数", "mapping", "Of the probe.", "探针参数。", "{count: 20}"),
    Column("expect", ("expect",), "要求", "mapping", "What must hold.", "必须满足的条件。",
           '{rtt_ms: "<= 40"}'),
    Column("degradation", ("degradation",), "劣化灵敏度", "mapping", "off, low, normal, high by metric.",
           "按指标：off、low、normal、high。", "{rtt_ms: high}"),
))  # fmt: skip

FILE = SheetOf("file", "全局", (
    Column("key", (), "键", help="timezone, or defaults.PROBE.", help_zh="timezone，或 defaults.探针。",
           example="timezone", required=True),
    Column("value", (), "值", "setting", "Its value.", "值。", "Asia/Shanghai"),
))  # fmt: skip

SHEETS = (UNITS, ASSETS, CHECKS, FILE)
EXPLANATIONS = ("explanations", "说明")


def sheet(name: str) -> SheetOf | None:
    """Return the sheet of that name, in English or Chinese, or None."""
    return next(
        (each for each in SHEETS if name.strip().casefold() == each.name or name.strip() == each.zh), None
    )
