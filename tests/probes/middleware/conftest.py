"""Servers that take long to start, one of each for a worker's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.probes.middleware.watched import MARKER
from tests.servers.rabbitmq import RabbitMq, rabbitmq

OWN = r"muster\.probe\..*"
USERS = {
    # name: tags, configure, write, read; the first is what docs/middleware.md says
    "monitor": ("monitoring", f"^{OWN}", rf"^({OWN}|amq\.default)$", f"^{OWN}"),
    "plain": ("", f"^{OWN}", rf"^({OWN}|amq\.default)$", f"^{OWN}"),
    "stomp": ("", f"^{OWN}", rf"^({OWN}|amq\.default)$", f"^{OWN}"),
    "mqtt": ("", "^mqtt-subscription-.*", r"^(mqtt-subscription-.*|amq\.topic)$",
             r"^(mqtt-subscription-.*|amq\.topic)$"),
    "nothing": ("", "^$", "^$", "^$"),
    "limited": ("", ".*", ".*", ".*"),
}  # fmt: skip


def _definitions() -> dict[str, Any]:
    rights = {
        name: {"configure": configure, "write": write, "read": read}
        for name, (_, configure, write, read) in USERS.items()
    }
    return {
        "vhosts": [{"name": "/"}, {"name": "other"}],
        "users": [{"name": name, "password": MARKER, "tags": tags} for name, (tags, *_) in USERS.items()],
        "permissions": [{"user": name, "vhost": "/"} | right for name, right in rights.items()],
        "queues": [
            {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
            for name in ("orders", "idle")
        ],
    }


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitMq]:
    with rabbitmq(_definitions(), plugins=("rabbitmq_stomp", "rabbitmq_mqtt")) as broker:
        yield broker
