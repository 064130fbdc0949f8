"""One run of one probe as the runner makes it: its deadline cancels, and a missed one is failed(timeout)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from probes import registry
from probes.api import Context, ProbeSettings, Reading, SecretRef, Shared, Target
from probes.errors import ProberFault
from probes.measure import measure_within

T = TypeVar("T")


class SharedHere:
    """What all runs of one test share; secrets come from a mapping."""

    def __init__(self, settings: ProbeSettings | None = None, secrets: dict[str, str] | None = None) -> None:
        self.settings = settings or ProbeSettings()
        self._secrets = secrets or {}
        self._clients: dict[Any, Any] = {}

    def get(self, client: Callable[[Shared], T]) -> T:
        if client not in self._clients:
            self._clients[client] = client(self)
        found: T = self._clients[client]
        return found

    def secret(self, ref: SecretRef) -> str:
        if ref not in self._secrets:
            raise ProberFault(f"no secret {ref}")
        return self._secrets[ref]

    async def aclose(self) -> None:
        for client in reversed(self._clients.values()):
            if hasattr(client, "aclose"):
                await client.aclose()


@asynccontextmanager
async def shared_here(
    settings: ProbeSettings | None = None, secrets: dict[str, str] | None = None
) -> AsyncIterator[SharedHere]:
    shared = SharedHere(settings, secrets)
    try:
        yield shared
    finally:
        await shared.aclose()


async def run_once(
    name: str,
    address: str,
    /,
    *,
    timeout: float = 5.0,
    family: Any = "any",
    shared: SharedHere | None = None,
    context: Context | None = None,
    **params: Any,
) -> Reading:
    """Run the probe `name` once and return its reading; `params` are validated as from a file."""
    spec = registry.get(name)
    if shared is None:
        async with shared_here() as own:
            return await run_once(
                name, address, timeout=timeout, family=family, shared=own, context=context, **params
            )
    validated = spec.params.model_validate(params)
    return await measure_within(spec, Target(address, family), validated, context or Context(shared, timeout))
