"""What all runs share: settings, secrets, and clients that are made once and closed at the end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from probes.api import ProbeSettings, SecretRef, Shared
from probes.errors import ProberFault

T = TypeVar("T")


class SharedClients:
    """The one implementation of `probes.api.Shared`."""

    def __init__(self, settings: ProbeSettings, secrets: Callable[[str], str]) -> None:
        self.settings = settings
        self._secrets = secrets
        self._clients: dict[Callable[[Shared], Any], Any] = {}

    def get(self, client: Callable[[Shared], T]) -> T:
        """Return the one instance of `client`, made on first use."""
        made = self._clients.get(client)
        if made is None:
            made = self._clients[client] = client(self)
        return cast("T", made)

    def secret(self, ref: SecretRef) -> str:
        """Return the secret's value. Raises `probes.errors.ProberFault` when it is not to be found."""
        try:
            return self._secrets(str(ref))
        except LookupError as error:
            raise ProberFault(str(error)) from None

    async def aclose(self) -> None:
        """Close every client that can be closed, the youngest first."""
        clients, self._clients = list(self._clients.values()), {}
        for client in reversed(clients):
            close = getattr(client, "aclose", None)
            if close is not None:
                result = close()
                if inspect.isawaitable(result):
                    await result
