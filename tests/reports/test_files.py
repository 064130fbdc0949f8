"""Workbooks and PDF: what they hold is what the report says, and nothing in it acts."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from inventory.problems import ConfigError
from monitor.readiness.results import Run
from monitor.reports import book, checked, page, pdf
from monitor.reports.report import render, view
from monitor.reports.sheets import Column, Sheet, words
from monitor.reports.topics import topics


def opened(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_workbook_has_a_sheet_a_topic(report: dict[str, Any], language: Any) -> None:
    found = opened(render(report, "xlsx", language))
    made = topics(report, language)
    assert found.sheetnames == ["Muster", *(sheet.title[:31] for sheet in made)]
    for sheet in made:
        page = found[sheet.title[:31]]
        heads = [cell.value for cell in page[3]][: len(sheet.columns)]
        assert heads == [column.title for column in sheet.columns]
        assert page.auto_filter.ref
        assert page.max_row == max(3, 3 + len(sheet.rows))
        if any(cell.tone for row in sheet.rows for cell in row):
            assert len(page.conditional_formatting)


def test_numbers_are_numbers_and_texts_never_formulas(report: dict[str, Any]) -> None:
    page = opened(render(report, "xlsx"))["Link quality"]
    heads = [cell.value for cell in page[3]]
    n = heads.index("n")
    assert all(isinstance(row[n].value, int) for row in page.iter_rows(min_row=4))
    everything = opened(render(report, "xlsx"))
    kinds = {cell.data_type for sheet in everything for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert not any(cell.hyperlink for sheet in everything for row in sheet.iter_rows() for cell in row)


def test_the_cover_says_what_it_is_of(report: dict[str, Any]) -> None:
    page = opened(render(report, "xlsx"))["Muster"]
    said = " ".join(str(cell.value) for row in page.iter_rows() for cell in row)
    for part in (report["inventory_digest"], "Asia/Shanghai", "2026-11-17", "unauthenticated"):
        assert part in said


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_pdf_is_made_and_holds_chinese(report: dict[str, Any], language: Any) -> None:
    found = render(report, "pdf", language)
    assert found.startswith(b"%PDF-")
    assert found.rstrip().endswith(b"%%EOF")
    assert any(b"CJK" in part for part in (found, *_streams(found)))


def _streams(data: bytes) -> Iterator[bytes]:
    for part in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(part)


def test_without_weasyprint_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ConfigError, match=r"install muster-monitor\[pdf\]"):
        pdf.pdf("<p>x</p>", chinese=False)


def test_without_pango_or_a_chinese_font_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_has_chinese", lambda: False)
    with pytest.raises(ConfigError, match="fonts-noto-cjk"):
        pdf.pdf("<p>x</p>", chinese=True)

    def broken(name: str) -> None:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ConfigError, match=r"libpango-1\.0-0"):
        pdf.pdf("<p>x</p>", chinese=False)


def test_nothing_is_fetched_for_a_pdf(tmp_path: Path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect/></svg>", "utf-8")
    plain = pdf.pdf("<p>x</p>", chinese=False)
    found = pdf.pdf(f"<p>x</p><img src='{secret.as_uri()}'><img src='http://127.0.0.1:1/x'>", chinese=False)
    assert abs(len(found) - len(plain)) < 400


def test_long_tables_say_how_much_is_left_out(report: dict[str, Any]) -> None:
    text = page.render(view(report, "en"), 2)
    assert "and 9 more rows in XLSX or JSON" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_check_as_page_workbook_and_markdown(run: Run, language: Any) -> None:
    html = checked.render(run, "html", language).decode()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert run.units[0].unit_digest in html
    text = checked.render(run, "markdown", language).decode()
    assert text.count("\n| ") > len(run.units[0].items)
    found = opened(checked.render(run, "xlsx", language))
    assert found[found.sheetnames[2]].max_row == 3 + sum(len(unit.items) for unit in run.units)
    short = opened(checked.render(run, "xlsx", language, summary=True))
    assert len(short.sheetnames) == 2


def test_a_sheet_s_name_is_one_a_workbook_can_have(report: dict[str, Any]) -> None:
    sheet = Sheet("x", "a/b:c*[d]?" + "e" * 40, "", [Column("a")], [words("=1+1")])
    found = opened(book.workbook([], [sheet], "t"))
    assert len(found.sheetnames[1]) <= 31
    assert found[found.sheetnames[1]]["A4"].value == "=1+1"
    assert found[found.sheetnames[1]]["A4"].data_type == "s"
