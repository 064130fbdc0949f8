"""How the probes of software reach a host, and what an ask's ending means for a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from probes._local_machine import is_local
from probes._ssh import SshParams
from probes.api import Context, Params, Target, clip
from probes.errors import Inconclusive, PermissionMissing, ProberFault, ProtocolViolated, TimedOut
from probes.software._gather import Answer, Gatherer
from probes.software._script import MISSING_RIGHT, NOT_SUPPORTED, TIMED_OUT, Ask

PHASES = ("resolve", "connect", "handshake", "login", "command")
KINDS = (
    "unreachable", "refused", "timeout", "dns",
    "protocol",  # also: the host key is not the known one; an answer that is none
    "permission",  # missing_right; also: the host key is not known
    "auth",
    "inconclusive",  # also: not_supported
    "prober_error",
)  # fmt: skip
EVERY_S, TIMEOUT_S = 300.0, 20.0


class HostParams(Params):
    """How a host is reached."""

    via: Literal["local", "ssh"] | None = Field(
        None, description="How: this machine itself, or SSH; by the address and the ssh block unless given."
    )
    ssh: SshParams | None = Field(None, description="How to log in.")

    @model_validator(mode="after")
    def _reachable(self) -> HostParams:
        if self.via == "ssh" and self.ssh is None:
            msg = 'via: ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}'
            raise ValueError(msg)
        return self


class SudoParams(HostParams):
    """How a host is reached, for what may need the rights of root."""

    sudo: bool = Field(
        False, description="Ask by `sudo -n` what the account itself may not; docs/software.md has the lines."
    )


async def asked(target: Target, params: HostParams, ask: Ask, context: Context) -> Answer:
    """Put an ask to the host and return what it gave, whatever its status.

    Raises what the connection came to, `TimedOut` where the host took too long over it, and for the statuses
    that fragments end with: `PermissionMissing` (missing_right), `Inconclusive` (not_supported).
    """
    local = is_local(target, params.via, params.ssh)
    if not local and params.ssh is None:
        raise ProberFault(
            'no way in: give an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}, or via: local'
        )
    answer = await context.shared.get(Gatherer).ask(target, None if local else params.ssh, ask, context)
    part = answer.part
    context.log(f"status {part.status}, {len(part.data)} bytes")
    if part.status in TIMED_OUT:
        raise TimedOut(f"the host took over {answer.limit} s for this alone", phases=answer.phases)
    if part.status == MISSING_RIGHT:
        raise PermissionMissing(f"missing_right: {_last_line(part.data)}", phases=answer.phases)
    if part.status == NOT_SUPPORTED:
        raise Inconclusive(f"not_supported: {_last_line(part.data)}", phases=answer.phases)
    return answer


def text_of(answer: Answer) -> str:
    """Return all that an ask printed. Raises `ProtocolViolated` where that is too much, or no text."""
    part = answer.part
    if part.truncated:
        raise ProtocolViolated(f"it answers without end, over {len(part.data)} bytes", phases=answer.phases)
    try:
        return part.data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolViolated("it answers with what is no text", phases=answer.phases) from None


def broken(answer: Answer, what: str) -> ProtocolViolated:
    """Return the ending for a text that can't be understood."""
    return ProtocolViolated(clip(f"it answers with no {what}", 300), phases=answer.phases)


def _last_line(data: bytes) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return clip(lines[-1], 200) if lines else "it does not say what"
