"""XML of an untrusted system: no document types (so no entities), bounded in depth, searched by path.

What declares itself as GBK or GB18030 is read, too, which expat alone does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from probes.errors import ProtocolViolated

MAX_DEPTH = 64
MAX_ELEMENTS = 100_000
MAX_FOUND = 1000
CHINESE = re.compile(rb"""<\?xml[^>]{0,100}encoding=["'](?:gbk|gb2312|gb18030)["']""", re.IGNORECASE)


class _Builder:
    """Builds elements from expat's events, names as `{namespace}name`."""

    def __init__(self) -> None:
        self.tree = ET.TreeBuilder()
        self._depth = self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth, self._elements = self._depth + 1, self._elements + 1
        if self._depth > MAX_DEPTH:
            raise ProtocolViolated(f"XML nested more than {MAX_DEPTH} deep")
        if self._elements > MAX_ELEMENTS:
            raise ProtocolViolated(f"XML of more than {MAX_ELEMENTS} elements")
        self.tree.start(_name(name), {_name(key): value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        self._depth -= 1
        self.tree.end(_name(name))

    def doctype(self, *_: object) -> NoReturn:
        raise ProtocolViolated("XML with a document type")


def _name(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return f"{{{namespace}}}{local}" if namespace else local


def document(body: bytes) -> ET.Element:
    """Return an element whose only child is the document's. Raises `ProtocolViolated`."""
    builder, encoding = _Builder(), None
    if CHINESE.match(body[:200].lstrip()):
        body, encoding = body.decode("gb18030", "replace").encode(), "utf-8"
    parser = expat.ParserCreate(encoding, namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.tree.data, builder.doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ProtocolViolated(f"the body is no XML: {error}") from None
    top = ET.Element("document")
    top.append(builder.tree.close())
    return top


def texts(top: ET.Element, path: str, namespaces: Mapping[str, str]) -> list[str]:
    """Return the texts that `path` selects, 1000 at most.

    The paths are those of `xml.etree` from the document's root: `/a/b`, `//b`, `//{*}b` (any namespace),
    `//p:b` with `namespaces`, `//b[c='1']`, and `/@name` at the end for an attribute. Raises ValueError.
    """
    steps, _, attribute = path.partition("/@")
    if not steps.startswith("/"):
        raise ValueError("no path into XML: it begins with /")
    try:
        found = list(islice(top.iterfind(f".{steps}", dict(namespaces)), MAX_FOUND))
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"no path into XML: {error}") from None
    if attribute:
        return [value.strip() for value in (one.get(attribute) for one in found) if value is not None]
    return ["".join(one.itertext()).strip() for one in found]
