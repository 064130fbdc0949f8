"""Whether an answer of version 3 is what it says it is, and what it hides (RFC 3414, 3826, 7860).

gufo decrypts answers and does not verify them: a stranger on the way could write them. So each one is
verified here before gufo gets it, and decrypted, since gufo keeps an error status to itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from probes._snmp_message import AUTHENTIC, ENCRYPTED, REPORT, Header, Seen, scoped
from probes._snmp_params import SnmpParams
from probes.errors import OwnLoginFailed, ProtocolViolated

DIGESTS = {
    "MD5": ("md5", 12), "SHA1": ("sha1", 12), "SHA224": ("sha224", 16),
    "SHA256": ("sha256", 24), "SHA384": ("sha384", 32), "SHA512": ("sha512", 48),
}  # fmt: skip
"""Hash function, and how many octets of its HMAC are sent (RFC 3414 section 6, RFC 7860 section 4)."""
KEY_OCTETS = {"DES": 16, "AES128": 16, "AES192": 24, "AES256": 32}
MEGABYTE = 1_048_576
MasterOf = Callable[[bytes], bytes]
"""Makes a key of a pass phrase, which takes a megabyte of hashing (RFC 3414 section A.2)."""


@dataclass(frozen=True, slots=True)
class User:
    """What one user signs and encrypts with at one engine."""

    params: SnmpParams
    name: bytes
    engine_id: bytes
    auth_key: bytes = b""
    priv_key: bytes = b""

    @property
    def level(self) -> int:
        """The flags that an answer must carry."""
        return AUTHENTIC * bool(self.auth_key) | ENCRYPTED * bool(self.priv_key)

    def opened(self, data: bytes, outside: Seen) -> Seen | None:
        """Return what the message says, decrypted; None if it is not this engine's, or not signed by it.

        Reports may be unsigned (RFC 3414 section 3.2); they never carry a value.
        """
        header = outside.header
        if header is None:
            return None
        unsigned_report = outside.pdu == REPORT and not header.flags & AUTHENTIC
        if unsigned_report:
            return outside
        if header.engine_id != self.engine_id or header.user != self.name:
            return None
        if not self._signed(data, header):
            return None
        if outside.pdu == REPORT:
            return outside
        if header.flags != self.level:
            return None
        return self._decrypted(header) if header.flags & ENCRYPTED else outside

    def _signed(self, data: bytes, header: Header) -> bool:
        if self.params.auth is None:
            return not header.flags & AUTHENTIC
        name, size = DIGESTS[self.params.auth]
        start, end = header.digest
        if not header.flags & AUTHENTIC or end - start != size:
            return False
        unsigned = data[:start] + bytes(size) + data[end:]
        made = hmac.digest(self.auth_key, unsigned, name)[:size]
        return hmac.compare_digest(made, data[start:end])

    def _decrypted(self, header: Header) -> Seen:
        if len(header.salt) != 8 or (self.params.priv == "DES" and len(header.encrypted) % 8):
            raise ProtocolViolated("no SNMP message: it is encrypted, but not as it says")
        decryptor = self._cipher(header).decryptor()
        try:
            return scoped(decryptor.update(header.encrypted) + decryptor.finalize(), header)
        except ProtocolViolated:
            raise OwnLoginFailed("wrong_privacy_key: the answer can't be decrypted") from None

    def _cipher(self, header: Header) -> Cipher[CFB] | Cipher[CBC]:
        key = self.priv_key
        if self.params.priv == "DES":
            start = bytes(a ^ b for a, b in zip(key[8:16], header.salt, strict=True))
            return Cipher(TripleDES(key[:8] * 3), CBC(start))
        clock = (header.boots & 0xFFFFFFFF).to_bytes(4, "big") + (header.time & 0xFFFFFFFF).to_bytes(4, "big")
        return Cipher(AES(key), CFB(clock + header.salt))


def user(
    params: SnmpParams, engine_id: bytes, auth_master: bytes, priv_master: bytes, master_of: MasterOf
) -> User:
    """Return the user at one engine; the masters are empty where the level needs none."""
    name = (params.user or "").encode()
    if params.auth is None:
        return User(params, name, engine_id)
    hashed = DIGESTS[params.auth][0]
    auth_key = _localized(hashed, auth_master, engine_id)
    if params.priv is None:
        return User(params, name, engine_id, auth_key)
    key, octets = _localized(hashed, priv_master, engine_id), KEY_OCTETS[params.priv]
    while len(key) < octets:
        if params.key_extension == "blumenthal":
            key += hashlib.new(hashed, key, usedforsecurity=False).digest()
        else:
            key += _localized(hashed, master_of(key), engine_id)
    return User(params, name, engine_id, auth_key, key[:octets])


def master_key(hashed: str, phrase: bytes) -> bytes:
    """Return the key made of a pass phrase: the hash of a megabyte of it (RFC 3414 section A.2)."""
    if not phrase:
        raise OwnLoginFailed("wrong_key: the pass phrase is empty")
    repeated = (phrase * (MEGABYTE // len(phrase) + 1))[:MEGABYTE]
    return hashlib.new(hashed, repeated, usedforsecurity=False).digest()


def _localized(hashed: str, master: bytes, engine_id: bytes) -> bytes:
    return hashlib.new(hashed, master + engine_id + master, usedforsecurity=False).digest()
