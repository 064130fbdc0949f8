"""What a service answered to a plugin of apprise, which itself only says whether it was content.

The plugins call the module `requests` by its global name. The module of the plugin in use gets a stand-in for
it that bounds what is read, remembers why a request failed, and takes an answer of 200 whose own code says
"refused" for what it is: DingTalk, WeCom, Feishu and Lark answer so to a wrong signature, a missing keyword,
too many messages, and the message would be lost.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from probes.api import clip

MOST_BYTES = 64 * 1024
CODED = frozenset({"dingtalk", "wecombot", "feishu", "lark"})
"""Plugins whose services put a code into the answer: 0 where it was taken."""
_CODES = ("errcode", "code", "StatusCode")
_TEXTS = ("errmsg", "msg", "StatusMessage")
_METHODS = frozenset({"request", "get", "post", "put", "patch", "delete", "head"})
_here = threading.local()


@dataclass(slots=True)
class Heard:
    """Why the last request of this thread failed; empty where it did not."""

    why: str = ""


class StandIn:
    """The module `requests`, with its calls watched."""

    def __init__(self, requests: Any, *, coded: bool) -> None:
        self._requests = requests
        self._coded = coded

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._requests, name)
        return self._watched(found) if name in _METHODS else found

    def _watched(self, call: Any) -> Any:
        def watched(*given: Any, **named: Any) -> Any:
            named |= {"stream": True, "allow_redirects": False}
            try:
                answer = call(*given, **named)
                content = answer.raw.read(MOST_BYTES, decode_content=True)
                answer.close()
                answer.raw = io.BytesIO(content)
            except Exception as error:
                _note(f"not handed over: {type(error).__name__}")
                raise
            why = self._refusal(answer)
            _note(why)
            if why and answer.ok:
                raise self._requests.RequestException(why)
            return answer

        return watched

    def _refusal(self, answer: Any) -> str:
        if not 200 <= answer.status_code < 300:
            return f"HTTP {answer.status_code}"
        return refusal(answer.content) if self._coded else ""


def refusal(content: bytes) -> str:
    """Return what a coded answer says against a message; empty where it was taken."""
    try:
        data = json.loads(content)
    except ValueError:
        return "an answer that is no JSON"
    if not isinstance(data, dict):
        return "an answer without a code"
    codes = [data[name] for name in _CODES if name in data]
    if codes and all(type(code) is int and code == 0 for code in codes):
        return ""
    said = next((data[name] for name in _TEXTS if isinstance(data.get(name), str)), "")
    return clip(f"refused, code {codes[0]}: {said}" if codes else "an answer without a code", 200)


def _note(why: str) -> None:
    heard = getattr(_here, "heard", None)
    if heard is not None:
        heard.why = why


@contextmanager
def heard(plugin: Any) -> Iterator[Heard]:
    """Watch the requests of a plugin in this thread."""
    module = sys.modules[type(plugin).__module__]
    known = getattr(module, "requests", None)
    if known is not None and not isinstance(known, StandIn):
        coded = module.__name__.rpartition(".")[2] in CODED
        module.requests = StandIn(known, coded=coded)  # type: ignore[attr-defined]
    _here.heard = Heard()
    try:
        yield _here.heard
    finally:
        _here.heard = None
