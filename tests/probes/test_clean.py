"""What is left of a text once it has been cleaned: no secret, in no usual form."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from probes._clean import LONGEST, cleaned

SECRET = "Pa55 w/rd+é"
SECRETS = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and not set("*…") & set(text))


def test_each_form_is_replaced() -> None:
    for form in (SECRET, quote(SECRET, safe=""), quote(SECRET), quote_plus(SECRET), repr(SECRET)):
        assert cleaned(f"login with {form.strip(chr(39))} refused", [SECRET]) == "login with *** refused"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5))
def test_base64_is_found_wherever_the_secret_stands_in_it(user: str) -> None:
    encoded = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    left = cleaned(f"Basic {encoded}", [SECRET]).removeprefix("Basic ")
    assert "***" in left
    kept = left.partition("***")[0]
    assert base64.b64decode(kept[: len(kept) // 4 * 4]) in f"{user}:".encode() + b"P"


@given(st.text(max_size=1000), st.lists(SECRETS, max_size=3))
def test_it_is_one_bounded_line_without_a_secret(text: str, secrets: list[str]) -> None:
    left = cleaned(text, secrets)
    assert len(left) <= LONGEST
    assert left.isprintable()
    for secret in secrets:
        assert secret not in left


def test_nothing_to_hide() -> None:
    assert cleaned("two\nlines", ["", "x"]) == "two lines"
