"""What is read of SNMP messages, and which answers are believed: recorded from net-snmp 5.9.4 (Debian)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary, integers, sampled_from

from probes._snmp_message import RESPONSE, Reader, Seen, dotted, seen
from probes._snmp_params import SnmpParams
from probes._snmp_usm import User, master_key, user
from probes.errors import OwnLoginFailed, ProtocolViolated

LOCATION = "1.3.6.1.2.1.1.6.0"
ENGINE_ID = bytes.fromhex("80001f88046d75737465722d7265636f72646564")
SIGNED = bytes.fromhex(
    "30818c020103301102041d84edb8020300ffe304010102010304393037041480001f88046d75737465722d7265636f726465640201"
    "01020100040975534841314e6f6e65040cd9ee803bf8d040029ced388004003039041480001f88046d75737465722d7265636f7264"
    "65640400a21f020460cbe1ac0201000201003011300f06082b0601020101060004036c6162"
)
ENCRYPTED = bytes.fromhex(
    "308198020103301102043baa0229020300ffe304010302010304433041041480001f88046d75737465722d7265636f726465640201"
    "01020100040b7553484131414553313238040c188cd25a85141bb47f82be5804085adebe4da2c7f5dd043bb49b5c12afafc3b02cc7"
    "e67a40f23c5fcc4e729b482a0e3c3b71492c2078614b0c54285862c0a3fd8899cd8840126a6d1d77e30fbcb3e481a01d90"
)


def master(phrase: bytes) -> bytes:
    return master_key("sha1", phrase)


def signer(phrase: bytes = b"privpass11", **given: Any) -> User:
    params = SnmpParams.model_validate(
        {"version": 3, "user": "uSHA1None", "auth": "SHA1", "auth_key": "secret:a", **given}
    )
    return user(params, ENGINE_ID, master(b"authpass11"), master(phrase), master)


BOTH: dict[str, Any] = {"user": "uSHA1AES128", "priv": "AES128", "priv_key": "secret:p"}
SIGNS, ENCRYPTS = signer(), signer(**BOTH)


def opened(who: User, data: bytes) -> Seen | None:
    return who.opened(data, seen(data))


@pytest.mark.parametrize(
    ("who", "data"), [(SIGNS, SIGNED), (ENCRYPTS, ENCRYPTED)], ids=["signed", "encrypted"]
)
def test_a_recorded_answer_is_believed_and_read(who: User, data: bytes) -> None:
    told = opened(who, data)
    assert told is not None
    assert (told.pdu, told.status, told.names()) == (RESPONSE, 0, [LOCATION])


def test_an_answer_of_another_level_user_or_engine_is_not_believed() -> None:
    assert opened(ENCRYPTS, SIGNED) is None
    assert opened(signer(user="uSHA1AES128"), ENCRYPTED) is None
    assert opened(signer(auth="MD5"), SIGNED) is None
    nobody = SnmpParams.model_validate({"version": 3, "user": "uSHA1None"})
    assert opened(User(nobody, b"uSHA1None", ENGINE_ID), SIGNED) is None
    assert opened(User(SIGNS.params, SIGNS.name, b"\x80\0\0\0\x05other", SIGNS.auth_key), SIGNED) is None


def test_keys_are_made_as_the_rfc_shows() -> None:
    for hashed, key in (
        ("md5", "9faf3283884e92834ebc9847d8edd963"),
        ("sha1", "9fb5cc0381497b3793528939ff788d5d79145211"),
    ):
        assert master_key(hashed, b"maplesyrup").hex() == key


def test_a_wrong_privacy_key_is_named() -> None:
    with pytest.raises(OwnLoginFailed, match="wrong_privacy_key"):
        opened(signer(b"another phrase", **BOTH), ENCRYPTED)


@settings(max_examples=300)
@given(
    pair=sampled_from([(SIGNS, SIGNED), (ENCRYPTS, ENCRYPTED)]), at=integers(0, 10_000), bits=integers(1, 255)
)
def test_no_changed_octet_of_a_signed_answer_passes(pair: tuple[User, bytes], at: int, bits: int) -> None:
    who, data = pair[0], bytearray(pair[1])
    data[at % len(data)] ^= bits
    try:
        told = opened(who, bytes(data))
    except ProtocolViolated:
        return
    assert told is None or told.pdu != RESPONSE


@given(binary(max_size=200))
def test_any_octets_are_a_message_or_a_violation(data: bytes) -> None:
    with suppress(ProtocolViolated):
        assert seen(data).version in {0, 1, 3}


@given(
    source=sampled_from([SIGNED, ENCRYPTED]),
    cuts=sampled_from([(0, 1), (3, 9), (20, 21), (60, 90)]),
    put=binary(max_size=12),
)
def test_mangled_messages_end_in_bounded_time(source: bytes, cuts: tuple[int, int], put: bytes) -> None:
    data = source[: cuts[0]] + put + source[cuts[1] :]
    with suppress(ProtocolViolated, OwnLoginFailed):
        assert opened(ENCRYPTS, data) is None or len(seen(data).names()) < 10


def test_lengths_that_lie_are_violations() -> None:
    for data in ("3084ffffffff", "30850000000001", "3080", "30", "", "308200"):
        with pytest.raises(ProtocolViolated):
            Reader(bytes.fromhex(data)).inside(0x30).integer()


@given(integers(0, 2), integers(0, 39), sampled_from([0, 127, 128, 16_383, 2**32 - 1]))
def test_identifiers_are_read_as_they_were_written(first: int, second: int, arc: int) -> None:
    octets, rest = [arc & 0x7F], arc >> 7
    while rest:
        octets.insert(0, 0x80 | (rest & 0x7F))
        rest >>= 7
    assert dotted(bytes([first * 40 + second, *octets])) == f"{first}.{second}.{arc}"
