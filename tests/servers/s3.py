"""An object store (moto's server of PyPI) on a private port, that verifies signatures and policies.

It speaks the S3 API, but nobody runs it as a store: signatures are verified by botocore, policies by moto.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from tests.servers.certificates import Pair
from tests.servers.hostile import tcp_server
from tests.servers.ports import free_port, until_listening
from tests.servers.process import running

SETTING_UP = 3
"""Requests that moto takes unsigned, before it looks at keys: those that make the administrator."""


@dataclass(frozen=True, slots=True)
class Account:
    """An access key."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Store:
    """A running store, and its administrator's key."""

    port: int
    admin: Account

    def client(self, service: str = "s3") -> Any:
        """Return the administrator's own client."""
        return _client(self.port, service, self.admin)

    async def account(self, name: str, *statements: tuple[list[str], list[str]]) -> Account:
        """Make an account that may do just these (actions, resources)."""
        return await asyncio.to_thread(lambda: _account(self.client("iam"), name, statements))

    async def keys(self, bucket: str) -> list[str]:
        """Return what is in a bucket, with versions and delete markers."""

        def ask() -> list[str]:
            found = self.client().list_object_versions(Bucket=bucket)
            return [item["Key"] for item in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))]

        return await asyncio.to_thread(ask)


def _client(port: int, service: str, account: Account) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def _account(iam: Any, name: str, statements: Any) -> Account:
    allowed = [{"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in statements]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Account(made["AccessKeyId"], made["SecretAccessKey"])


@asynccontextmanager
async def s3_store(directory: Path) -> AsyncIterator[Store]:
    """Run a store with an administrator who may do everything."""
    port = free_port()
    server = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    environment = (
        f"INITIAL_NO_AUTH_ACTION_COUNT={SETTING_UP}",
        f"HOME={directory}",
        f"PATH={os.environ['PATH']}",
    )
    async with running("env", "-i", *environment, *server, log=directory / "moto.log"):
        await until_listening(port, seconds=30)
        anybody = Account("nobody", "nothing")
        everything = [(["*"], ["*"])]
        admin = await asyncio.to_thread(lambda: _account(_client(port, "iam", anybody), "admin", everything))
        yield Store(port, admin)


def secured(port: int, certificate: Pair) -> AbstractAsyncContextManager[int]:
    """Serve TLS in front of a store, as its balancer does."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        pipes = [
            asyncio.create_task(_pipe(*ends)) for ends in ((reader, behind_writer), (behind_reader, writer))
        ]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            behind_writer.close()

    return tcp_server(forward, tls=certificate.server_context())


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
