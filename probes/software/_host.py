"""How the probes of software reach a host, and what an ask's ending means for a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from probes._local_machine import is_local
from probes._ssh import SshParams
from probes.api import Context, Params, Target, clip
from probes.errors import Ending, Inconclusive, PermissionMissing, ProberFault, ProtocolViolated, TimedOut
from probes.software._gather import Answer, Gatherer
from probes.software._script import MISSING_RIGHT, NOT_SUPPORTED, TIMED_OUT, Ask

T = TypeVar("T")
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


async def asked(
    target: Target, params: HostParams, ask: Ask, context: Context, *, ours: bool = False
) -> Answer:
    """Put an ask to the host and return what it gave, whatever its status.

    Raises what the connection came to, `TimedOut` where the host took too long over it (`Inconclusive` where
    that may be the fault of what is asked, `ours`), and for the statuses that fragments end with:
    `PermissionMissing` (missing_right), `Inconclusive` (not_supported).
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
        ending = Inconclusive if ours else TimedOut
        raise ending(f"the host took over {answer.limit} s for this alone", phases=answer.phases)
    if part.status == MISSING_RIGHT:
        raise PermissionMissing(f"missing_right: {_last_line(part.data)}", phases=answer.phases)
    if part.status == NOT_SUPPORTED:
        raise Inconclusive(f"not_supported: {_last_line(part.data)}", phases=answer.phases)
    return answer


def text_of(answer: Answer) -> str:
    """Return all that an ask printed, as text. Raises `ProtocolViolated` where that is too much."""
    part = answer.part
    if part.truncated:
        raise ProtocolViolated(f"it answers without end, over {len(part.data)} bytes", phases=answer.phases)
    return part.data.decode("utf-8", "replace")


async def told(
    target: Target, params: HostParams, ask: Ask, context: Context, parse: Callable[[str], T]
) -> tuple[T, dict[str, float]]:
    """Return what an ask's text means, and the phases of the command.

    Raises what `asked` and `text_of` do, and `ProtocolViolated` for a text that `parse` can't understand.
    """
    answer = await asked(target, params, ask, context)
    return understood(parse, text_of(answer), answer), answer.phases


def understood(parse: Callable[[str], T], text: str, answer: Answer) -> T:
    """Return what a text means. Raises `ProtocolViolated` where it can't be understood, and what it means."""
    try:
        return parse(text)
    except Ending as ending:
        ending.phases = answer.phases
        raise
    except (ValueError, LookupError, OverflowError) as error:
        status = answer.part.status
        said = clip(f"it answers with what can't be understood: {error} (status {status})", 300)
        raise ProtocolViolated(said, phases=answer.phases) from None


def _last_line(data: bytes) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return clip(lines[-1], 200) if lines else "it does not say what"
