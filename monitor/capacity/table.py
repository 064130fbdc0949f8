"""A unit's requirement for a terminal, from its document: the sentence, then step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.capacity.functions import DIRECTIONS
from monitor.capacity.words import Document, assumption, mbps, name, sentence, word
from monitor.reports.look import AMBER, GREEN, RED, Language
from probes.api import clip

BAR = 30
"""Columns of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def show(document: Document, console: Console, language: Language = "en") -> None:
    """Print it."""
    console.print(
        Text(clip(sentence(document, language)), style=f"bold {RED if document['impossible'] else ''}")
    )
    console.print(Text(word("design", language, **document["network"]), style="dim"))
    _load(document, console, language)
    _functions(document, console, language)
    _needs(document, console, language)
    _required(document, console, language)
    _loss(document, console, language)
    _streams(document, console, language)
    _channels(document, console, language)
    if document["what_if"]:
        _what_if(document, document["what_if"], console, language)
    console.print(Text(word("assumptions", language), style="bold"))
    for each in document["assumptions"]:
        console.print(Text(f"  - {clip(assumption(each, language))}"))


def _load(document: Document, console: Console, language: Language) -> None:
    table = _table(word("load", language), ["", *_directions(language)], right=(1, 2))
    rows = (("transactions", "transactions_bps"), ("bulk", "bulk_bps"), ("realtime", "realtime_bps"))
    for label, key in (*rows, ("rho", "mean_bps")):
        table.add_row(word(label, language), *(mbps(document[each][key]) for each in DIRECTIONS))
    console.print(table)


def _functions(document: Document, console: Console, language: Language) -> None:
    keys = (
        "function",
        "users",
        "tx",
        "target",
        "server",
        "trips",
        "budget",
        "budgets",
        "rtt_max",
        "simulated",
    )
    table = _table(
        word("functions", language), [word(key, language) for key in keys], right=range(1, len(keys))
    )
    for each in document["functions"]:
        lost = each["budget_s"] <= 0
        simulated = each["simulated_p95_s"]
        table.add_row(
            Text(name(each, language), style=RED if lost else ""),
            f"{each['users']:g}", f"{each['tx_per_user_hour']:g}", f"{each['target_s']:g}",
            f"{each['server_p95_s']:.3f}", str(each["round_trips"]), f"{each['budget_s']:.3f}",
            f"{each['budget_up_s']:.3f}/{each['budget_down_s']:.3f}", f"{each['rtt_max_ms']:.1f}",
            "-" if simulated is None else f"{simulated:.2f}",
        )  # fmt: skip
    console.print(table)


def _needs(document: Document, console: Console, language: Language) -> None:
    """Print a picture of which function needs how much each way; C is what the longest bar comes to."""
    most = max(document[each]["capacity_bps"] for each in DIRECTIONS)
    up, down = _directions(language)
    table = _table(
        "", [word("function", language), f"{up} {word('needs', language)}", "", f"{down}", ""], right=(1, 3)
    )
    for each in document["functions"]:
        cells: list[Text | str] = [each["id"]]
        for direction in DIRECTIONS:
            bps, binds = each[f"{direction}_bps"], document[direction]["binding"] == each["id"]
            colour = AMBER if binds else GREEN
            cells += [Text(mbps(bps), style="bold" if binds else ""), Text(bar(bps, most), style=colour)]
        table.add_row(*cells)
    console.print(table)


def bar(value: float | None, most: float) -> str:
    """Return a bar in eighths of a column; one that has no end where no bandwidth suffices."""
    if value is None:
        return "█" * BAR + "…"
    eighths = max(1, round(8 * BAR * min(1.0, value / most)))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _required(document: Document, console: Console, language: Language) -> None:
    table = _table(word("requirement", language), ["", *_directions(language)], right=(1, 2))
    for label in ("capacity", "minimum", "required"):
        table.add_row(word(label, language), *(mbps(document[each][f"{label}_bps"]) for each in DIRECTIONS))
    table.add_row(word("binds", language), *(document[each]["binding"] or "-" for each in DIRECTIONS))
    console.print(table)
    factor = document["minimum_factor"]
    if factor is not None and factor > 1:
        console.print(Text(word("raised", language, factor=factor), style=AMBER))


def _loss(document: Document, console: Console, language: Language) -> None:
    loss = document["loss"]
    binding = loss["binding"]
    values = {
        "rate": mbps(loss["rate_bps"]), "window_packets": loss["window_packets"],
        "packets_per_loss": loss["packets_per_loss"], "share": 100 * document["loss_max"],
        "binding": word(binding, language) if binding in DIRECTIONS else binding,
        "mathis": mbps(loss["mathis_bps"]), "pftk": mbps(loss["pftk_bps"]),
    }  # fmt: skip
    console.print(Text(word("loss", language, **values)))


def _streams(document: Document, console: Console, language: Language) -> None:
    if not document["realtime"]:
        return
    keys = ("function", "stream_count", "rate", "one_way", "jitter", "loss_max")
    table = _table(word("streams", language), [word(key, language) for key in keys], right=range(1, 6))
    for each in document["realtime"]:
        table.add_row(
            name(each, language), str(each["streams"]), mbps(each["rate_bps"]), f"{each['one_way_ms']:g}",
            f"{each['jitter_ms']:g}", f"{100 * each['loss_max']:g}",
        )  # fmt: skip
    console.print(table)


def _channels(document: Document, console: Console, language: Language) -> None:
    if not document["channels"]:
        return
    contracted = word("contracted", language)
    heads = [word("channel", language), *(f"{contracted} {each}" for each in _directions(language))]
    heads += [word("measured", language), word("would", language)]
    table = _table(word("channels", language), heads, right=())
    for channel in document["channels"]:
        label = ", ".join(
            dict.fromkeys(filter(None, (channel["asset"], channel["role"], channel["provider"])))
        )
        table.add_row(
            Text(clip(label)), *(_contracted(channel[each], language) for each in DIRECTIONS),
            *_measured(channel["measured"], language),
        )  # fmt: skip
    console.print(table)


def _contracted(promise: Document, language: Language) -> Text:
    if promise["bps"] is None:
        return Text(word("not_contracted", language), style="dim")
    rate = f"{mbps(promise['bps'])} Mbit/s, "
    if promise["short_bps"] == 0:
        return Text(f"✔ {rate}{word('enough', language)}", style=GREEN)
    short = f"{mbps(promise['short_bps'])} Mbit/s"
    return Text(f"✖ {rate}{word('short', language, short=short)}", style=RED)


def _measured(measured: Document | None, language: Language) -> tuple[str, str]:
    if measured is None:
        return word("not_measured", language), ""
    shown = f"{measured['rtt_p95_ms']:.1f} ms (n = {measured['readings']}, {measured['hours']:g} h)"
    found = measured["requirement"]
    if found["impossible"]:
        return shown, clip(found["impossible"])
    rates = "/".join(mbps(found[each]["required_bps"]) for each in DIRECTIONS)
    return shown, f"{rates} Mbit/s"


def _what_if(now: Document, then: Document, console: Console, language: Language) -> None:
    table = _table(
        word("what_if", language, asked=then["asked"]),
        ["", word("now", language), word("then", language)],
        right=(1, 2),
    )
    for direction in DIRECTIONS:
        for label in ("capacity", "minimum", "required"):
            row = f"{word(direction, language)}: {word(label, language)}, Mbit/s"
            table.add_row(row, *(mbps(each[direction][f"{label}_bps"]) for each in (now, then)))
        table.add_row(
            f"{word(direction, language)}: {word('binds', language)}",
            *(each[direction]["binding"] or "-" for each in (now, then)),
        )
    table.add_row(
        word("rtt_line", language),
        *(f"{each['rtt_max_ms']:.1f} ({each['rtt_binding']})" for each in (now, then)),
    )
    table.add_row(
        word("loss_line", language), *(f"{each['loss']['packets_per_loss']:g}" for each in (now, then))
    )
    console.print(table)
    if then["impossible"]:
        console.print(Text(clip(then["impossible"]), style=RED))


def _directions(language: Language) -> list[str]:
    return [word(each, language) for each in DIRECTIONS]


def _table(title: str, headings: Sequence[str], right: Iterable[int]) -> Table:
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        header_style="bold",
    )  # fmt: skip
    aligned = set(right)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in aligned else "left", overflow="fold")
    return table
