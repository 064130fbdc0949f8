"""Which way a message goes: by mail, or by the channel that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from monitor.alerts.channels import AppriseChannel, Threads
from monitor.alerts.notify_settings import Channel, NotifySettings
from monitor.alerts.people import MAIL
from monitor.alerts.webhook import Webhook
from monitor.messages.message import Message, TransportError
from monitor.messages.storm import Limits
from probes.api import SecretRef


class Carrier(Protocol):
    """Hands messages over."""

    async def deliver(self, message: Message) -> None:
        """Hand one message over. Raises `TransportError`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All ways there are; `mail` is None where no mail server is set."""

    mail: Carrier | None
    channels: Mapping[str, Carrier]

    @classmethod
    def of(
        cls, mail: Carrier | None, settings: NotifySettings, secret: Callable[[SecretRef], str]
    ) -> Delivery:
        """Build the channels of the settings."""
        threads = Threads()
        return cls(mail, {n: carrier(n, each, secret, threads) for n, each in settings.channels.items()})

    async def deliver(self, message: Message) -> None:
        """Hand one message over. Raises `TransportError`."""
        way = self.mail if message.channel == MAIL else self.channels.get(message.channel)
        if way is None:
            gone = (
                "no mail server is set" if message.channel == MAIL else "the channel is not in the settings"
            )
            raise TransportError(gone)
        await way.deliver(message)


def carrier(name: str, channel: Channel, secret: Callable[[SecretRef], str], threads: Threads) -> Carrier:
    """Return the carrier of a channel."""
    if channel.webhook:
        return Webhook(name, channel.webhook, channel.key, secret, channel.timeout, channel.ca_file)
    return AppriseChannel(name, channel.url, secret, channel.timeout, channel.short, threads)


def limits(settings: NotifySettings) -> Limits:
    """Return when messages give way to a summary."""
    own = {name: each.per_hour for name, each in settings.channels.items() if each.per_hour is not None}
    valves = settings.limits
    return Limits(
        valves.per_recipient,
        valves.storm,
        valves.storm_window,
        valves.summary_after,
        valves.summary_every,
        own,
    )
