"""Versions: whether what runs is what was released, and what is to be patched."""

from __future__ import annotations

from monitor.dashboards import flux, promql
from monitor.dashboards.look import BAD, GOOD
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import PLACE, counted, of, steps

RELEASED = Scale(mapping="released")
NONE = Scale(steps=steps((None, GOOD), (1, BAD)))
RELEASE = "muster_component_as_released"
DIFFERS = flux.group(()) + flux.mapped("if r._value < 0.5 then 1.0 else 0.0") + "  |> sum()\n"
WORST = ("unit", "asset", "component", "release", "found")
KEPT = 'muster_component_as_released{unit=~"$unit"}'

BOARD = Board(
    "versions",
    "versions",
    "Units x components: what is as its release says, and what is not.",
    PLACE,
    (
        Panel(
            "Whole matrix",
            "text",
            size=(24, 3),
            text="The matrix with all that is found, expected and waived: [Versions in Muster](${muster}/versions).",
        ),
        counted(
            "Components that differ",
            NONE,
            Ask(
                f"count({promql.among(f'{KEPT} == 0')}) or vector(0)",
                flux.now(RELEASE, ("unit", "asset", "component"), "min") + DIFFERS,
                "differ",
            ),
            size=(12, 4),
            about="Components that are not as released.",
        ),
        counted(
            "Units with a difference",
            NONE,
            Ask(
                f"count(count by (unit) ({promql.among(f'{KEPT} == 0')})) or vector(0)",
                flux.now(RELEASE, ("unit",), "min") + DIFFERS,
                "units",
            ),
            size=(12, 4),
            about="Units that have any.",
        ),
        Panel(
            "Units x components",
            "table",
            (
                Ask(
                    f"min by ({', '.join(WORST)}) ({promql.among(KEPT)})",
                    flux.table(flux.now(RELEASE, WORST, "min"), WORST, "As released"),
                    "As released",
                ),
            ),
            Scale(),
            (24, 10),
            "What was found of each component, and whether it is as released.",
            "/versions",
            columns=("asset", "component", "release", "found"),
            scales={"As released": RELEASED},
            options={"sortBy": [{"displayName": "As released", "desc": False}]},
        ),
        Panel(
            "Components over time",
            "state-timeline",
            (
                Ask(
                    f"min by (unit, component) ({promql.among(KEPT)})",
                    flux.over(RELEASE, ("unit", "component"), "min"),
                    "{{unit}} {{component}}",
                ),
            ),
            RELEASED,
            (24, 10),
            "When a component began to differ.",
            "/versions",
        ),
        of("Packages that differ", "differing", "package"),
        of("Kernel settings that differ", "differing", "sysctl"),
        of("Limits that differ", "differing", "limits"),
        of(
            "Database parameters that differ",
            "parameters_differing",
            "postgresql",
            "mysql",
            "oracle",
            "mongodb",
        ),
        of("Days since the last upgrade", "last_upgrade_days", "patch_age"),
        of("Security updates pending", "security_pending", "patch_age"),
    ),
)
