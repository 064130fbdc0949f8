"""Two languages: the same keys, the same values in them, and the right one for each browser."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import get_args

import pytest

import monitor.web
from monitor.readiness.checklist import SEVERITIES, Category
from monitor.readiness.verdict import Status, Verdict
from monitor.web.present import SIGNS, TOKENS
from monitor.web.texts import LANGUAGES, Texts, negotiate, table
from probes.errors import ERROR_KINDS, FAILURE_KINDS, NOT_RUN_REASONS

WEB = Path(monitor.web.__file__).parent
FORMS = ("_one", "_0")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    english, chinese = (table(language) for language in LANGUAGES)
    plain = {key for key in english if not key.endswith(FORMS)}
    assert plain == {key for key in chinese if not key.endswith(FORMS)}
    for key in plain:
        assert _fields(english[key]) == _fields(chinese[key]), key


def test_no_key_is_written_twice() -> None:
    for language in LANGUAGES:
        pairs = json.loads((WEB / "locale" / f"{language}.json").read_text("utf-8"), object_pairs_hook=list)
        keys = [key for key, _ in pairs]
        assert sorted(keys) == sorted(set(keys))


def test_every_text_that_a_template_names_exists() -> None:
    for template in (WEB / "templates").glob("*.html"):
        for key in re.findall(r"t\('([a-z]+\.[A-Za-z_-]+)'[,)]", template.read_text("utf-8")):
            assert key in table("en"), f"{template.name}: {key}"


def test_every_word_of_the_contract_has_a_text_and_a_sign() -> None:
    reasons = {
        *FAILURE_KINDS,
        *ERROR_KINDS,
        *NOT_RUN_REASONS,
        "stale",
        "not_measured",
        "soaking",
        "not_attested",
    }
    words = [
        *(f"verdict.{each.value}" for each in Verdict), *(f"status.{each.value}" for each in Status),
        *(f"severity.{each}" for each in SEVERITIES), *(f"category.{each}" for each in get_args(Category)),
        *(f"short.{each}" for each in get_args(Category)), *(f"reason.{each}" for each in reasons),
    ]  # fmt: skip
    assert [word for word in words if word not in table("zh") or word not in table("en")] == []
    assert {
        *(each.value for each in Verdict),
        *(each.value for each in Status),
    } <= SIGNS.keys() & TOKENS.keys()


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        ("", "", "en"),
        ("zh", "en", "zh"),
        ("fr", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en,zh", "en"),
        ("", "zh,en", "zh"),
        ("", "fr-FR,de;q=0.9,zh;q=0.2,en;q=0.1", "zh"),
        ("", "zh;q=0,en;q=0.5", "en"),
        ("", "zh;q=nonsense, ,;;,en", "en"),
        ("", "x" * 100_000, "en"),
    ],
)
def test_the_language_is_the_readers(wanted: str, header: str, language: str) -> None:
    assert negotiate(wanted, header) == language


def test_numbers_have_forms_and_an_unknown_key_is_its_own_text() -> None:
    english = Texts("en")
    assert english("say.not_ready", n=1) == "1 is not ready"
    assert english("say.not_ready", n=2) == "2 are not ready"
    assert english("reason.something_new") == "something_new"
    assert english("say.some", n=3, ready="{n}") == "{n} of 3 units are ready."
    assert (english.pick("", "中"), Texts("zh").pick("en", "")) == ("中", "en")
