"""Kafka's protocol over a wire: requests coded by aiokafka, one at a time; login by SASL."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import time
from collections.abc import Iterable
from typing import Any

from aiokafka.conn import ScramAuthenticator
from aiokafka.errors import CorruptRecordException, IncompatibleBrokerVersion
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    DescribeGroupsRequest,
    SaslAuthenticateRequest,
    SaslHandShakeRequest,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from probes.errors import ExpectationFailed, Inconclusive, OwnLoginFailed, ProtocolViolated
from probes.middleware._broker import Wire, took_ms
from probes.middleware._kafka_views import Spot, View, ending_of, grouped, judged, view_of

MAX_ANSWER = 6 * 1024 * 1024
IN_LOOP = 4096
"""Bytes of an answer that are decoded in the loop; more of it in a thread."""
MAX_ITERATIONS = 200_000
"""Rounds of SCRAM that a broker may ask for: some tenth of a second."""
UNREADABLE = (
    struct.error, ValueError, TypeError, LookupError, MemoryError, AttributeError, CorruptRecordException,
)  # fmt: skip
LATEST = -1
ALL_IN_SYNC = -1
FETCH_WAIT_MS = 250


class KafkaWire:
    """A connection to one broker."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.took_ms = 0.0
        """From the first byte of the last request to the last byte of its answer."""
        self._versions: dict[int, tuple[int, int]] = {}
        self._number = 0

    async def ask(self, request: Any) -> dict[str, Any]:
        """Send a request and return the answer as plain objects.

        Raises `Inconclusive` (version_too_old) and `ProtocolViolated`.
        """
        try:
            question = request.prepare(self._versions)
        except (IncompatibleBrokerVersion, NotImplementedError):
            what = type(request).__name__.removesuffix("Request")
            raise Inconclusive(f"version_too_old: no version of {what} that both sides know") from None
        self._number += 1
        header = question.build_request_header(correlation_id=self._number, client_id="muster")
        data = header.encode() + question.encode()
        sent_at = await self.wire.send(struct.pack(">i", len(data)) + data)
        (size,) = struct.unpack(">i", await self.wire.exactly(4))
        if not 4 <= size <= MAX_ANSWER:
            raise ProtocolViolated("it does not speak Kafka's protocol")
        body = await self.wire.exactly(size)
        self.took_ms = took_ms(sent_at, self.wire.at)
        if struct.unpack_from(">i", body)[0] != self._number:
            raise ProtocolViolated("an answer to another request")
        if size > IN_LOOP:
            return await asyncio.to_thread(_decoded, question, body)
        return _decoded(question, body)

    async def learn_versions(self) -> None:
        """Ask which versions of which requests the broker knows."""
        answer = await self.ask(ApiVersionRequest())
        judged(answer["error_code"], "asking for versions")
        self._versions = {
            each["api_key"]: (each["min_version"], each["max_version"]) for each in answer["api_versions"]
        }

    async def log_in(self, mechanism: str, user: str, password: str) -> None:
        """Log in. Raises `OwnLoginFailed`, and `ExpectationFailed` for a mechanism that is not offered."""
        answer = await self.ask(SaslHandShakeRequest(mechanism))
        if answer["error_code"] == 33:
            offered = ", ".join(map(str, answer["enabled_mechanisms"])) or "none"
            raise ExpectationFailed(f"the broker does not offer {mechanism}, but: {offered}")
        judged(answer["error_code"], "logging in")
        if mechanism == "PLAIN":
            await self._authenticate(f"\0{user}\0{password}".encode())
        else:
            await self._scram(mechanism, user, password)

    async def _scram(self, mechanism: str, user: str, password: str) -> None:
        scram = ScramAuthenticator(
            loop=asyncio.get_running_loop(),
            sasl_mechanism=mechanism,
            sasl_plain_username=user,
            sasl_plain_password=password,
        )
        answer: bytes | None = None
        try:
            while (step := await scram.step(answer)) is not None:
                answer = await self._authenticate(step[0])
                _check(answer)
        except (ValueError, LookupError):
            raise ProtocolViolated("the broker's part of SCRAM is wrong") from None

    async def _authenticate(self, data: bytes) -> bytes:
        answer = await self.ask(SaslAuthenticateRequest(data))
        if answer["error_code"]:
            said = answer.get("error_message") or "refused"
            if answer["error_code"] == 58:
                raise OwnLoginFailed(f"wrong_password: {said}")
            raise ending_of(answer["error_code"], f"logging in: {said}")
        return bytes(answer["sasl_auth_bytes"] or b"")

    async def view(self) -> View:
        """Return the cluster with all topics that the account may see; none is made by asking."""
        return await self._view(None)

    async def topic_errors(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the error codes of topics by name, where the broker can tell without making them."""
        if self._versions.get(MetadataRequest.API_KEY, (0, 0))[1] < 4:
            return {}
        return dict((await self._view(list(topics))).errors)

    async def _view(self, topics: list[str] | None) -> View:
        try:
            return view_of(await self.ask(MetadataRequest(topics, allow_auto_topic_creation=False)))
        except (LookupError, TypeError):
            raise ProtocolViolated("metadata that can't be read") from None

    async def coordinator(self, group: str) -> tuple[str, int, int]:
        """Return host, port and number of the broker that looks after a group."""
        answer = await self.ask(FindCoordinatorRequest(group, 0))
        judged(answer["error_code"], f"group {group!r}")
        return answer["host"] or "", answer["port"], answer["coordinator_id"]

    async def group(self, group: str) -> tuple[str, int]:
        """Return the state of a group and its members."""
        answer = await self.ask(DescribeGroupsRequest([group]))
        unknown: dict[str, Any] = {"error_code": 69, "state": "", "members": ()}
        (told,) = answer["groups"][:1] or (unknown,)
        judged(told["error_code"], f"group {group!r}")
        return told["state"] or "", len(told["members"] or ())

    async def committed(self, group: str, spots: Iterable[Spot]) -> dict[Spot, int]:
        """Return the offsets that a group has committed, below zero where it has none."""
        answer = await self.ask(OffsetFetchRequest(group, list(grouped(spots).items())))
        judged(answer.get("error_code") or 0, f"group {group!r}")
        found = {}
        for topic in answer["topics"]:
            for each in topic["partitions"]:
                judged(each["error_code"], f"topic {topic['topic']!r}")
                found[topic["topic"], each["partition"]] = each["offset"]
        return found

    async def ends(self, spots: Iterable[Spot]) -> dict[Spot, int]:
        """Return the offsets at which the next messages of partitions come, below zero where not told."""
        asked = [(topic, [(n, LATEST) for n in numbers]) for topic, numbers in grouped(spots).items()]
        answer = await self.ask(OffsetRequest(-1, 0, asked))
        found = {}
        for topic in answer["topics"]:
            for each in topic["partitions"]:
                judged(each["error_code"], f"topic {topic['topic']!r}")
                offset = each["offset"] if "offset" in each else (each["offsets"] or [-1])[0]
                found[topic["topic"], each["partition"]] = offset
        return found

    async def produce(self, spot: Spot, token: str, expires_ms: int) -> int:
        """Write a message that all replicas in sync must have; return its offset."""
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 4096)
        builder.append(0, int(time.time() * 1000), b"muster", token.encode(), [])
        records = bytes(builder.build())
        asked = [(spot[0], [(spot[1], records)])]
        answer = await self.ask(ProduceRequest(None, ALL_IN_SYNC, expires_ms, asked))
        told = _only(answer["topics"])
        judged(told["error_code"], f"writing to topic {spot[0]!r}")
        return int(told["offset"])

    async def fetch(self, spot: Spot, offset: int) -> list[bytes]:
        """Return the messages from an offset on, those that are there within a moment."""
        asked = [(spot[0], [(spot[1], offset, 65_536)])]
        answer = await self.ask(FetchRequest(FETCH_WAIT_MS, 1, 65_536, 0, asked))
        if not answer["topics"]:
            return []
        told = _only(answer["topics"])
        judged(told["error_code"], f"reading from topic {spot[0]!r}")
        try:
            return _values(bytes(told["message_set"] or b""))
        except UNREADABLE:
            raise ProtocolViolated("messages that can't be read") from None


def _decoded(question: Any, body: bytes) -> dict[str, Any]:
    try:
        data = io.BytesIO(body)
        question.parse_response_header(data)
        found: dict[str, Any] = question.RESPONSE_TYPE.decode(data).to_object()
    except UNREADABLE:
        raise ProtocolViolated("an answer of Kafka's protocol that can't be read") from None
    return found


def _only(topics: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one partition of the one topic that was asked for. Raises `ProtocolViolated`."""
    try:
        ((told,),) = (topic["partitions"] for topic in topics)
    except (LookupError, ValueError, TypeError):
        raise ProtocolViolated("an answer of Kafka's protocol that can't be read") from None
    return dict(told)


def _values(data: bytes) -> list[bytes]:
    records, values = MemoryRecords(data), []
    while records.has_next():
        batch = records.next_batch()
        if batch is not None:
            values += [bytes(record.value or b"") for record in batch]
    return values


def _check(answer: bytes) -> None:
    """Look at a broker's part of SCRAM (RFC 5802, section 7): its error, and how many rounds it asks for."""
    if answer.startswith(b"e="):
        raise OwnLoginFailed(f"wrong_password: {answer[2:200].decode('utf-8', 'replace')}")
    found = re.search(rb"(?:^|,)i=(\d{1,10})", answer[:2000])
    if found and int(found[1]) > MAX_ITERATIONS:
        raise ProtocolViolated(f"the broker asks for more than {MAX_ITERATIONS} rounds of SCRAM")
