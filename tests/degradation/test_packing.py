from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.degradation import Detector, LossDetector, RateDetector
from tests.degradation.series import START


def _fed() -> dict[str, tuple[Callable[[bytes], Detector | LossDetector | RateDetector], bytes]]:
    latency, loss, rate = Detector(), LossDetector(10), RateDetector(100.0)
    for i in range(300):
        latency.update(40.0 + i % 4, START + 60 * i)
        loss.update(i % 10 / 100, START + 60 * i)
        rate.update(99.0 + i % 4, START + 60 * i)
    return {
        "latency": (Detector.from_bytes, latency.to_bytes()),
        "loss": (lambda data: LossDetector.from_bytes(data, 10), loss.to_bytes()),
        "rate": (lambda data: RateDetector.from_bytes(data, 100.0), rate.to_bytes()),
    }


FED = _fed()
FRESH = {
    "latency": Detector().to_bytes(),
    "loss": LossDetector(10).to_bytes(),
    "rate": RateDetector(100.0).to_bytes(),
}
kinds = pytest.mark.parametrize("kind", list(FED))


@kinds
def test_a_state_comes_back(kind: str) -> None:
    read, data = FED[kind]
    assert data != FRESH[kind]
    assert read(data).to_bytes() == data


@kinds
def test_another_kind_is_not_taken(kind: str) -> None:
    read, _ = FED[kind]
    for other, (_, data) in FED.items():
        assert (read(data).to_bytes() == FRESH[kind]) is (other != kind)


@kinds
@given(noise=st.binary(max_size=400))
def test_noise_makes_a_fresh_detector(kind: str, noise: bytes) -> None:
    assert FED[kind][0](noise).to_bytes() == FRESH[kind]


@kinds
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_state_makes_a_fresh_detector(kind: str, at: int, flip: int) -> None:
    read, data = FED[kind]
    at %= len(data)
    damaged = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
    assert read(damaged).to_bytes() == FRESH[kind]
    assert read(data[:at]).to_bytes() == FRESH[kind]


@kinds
@given(content=st.binary(max_size=400))
def test_well_sealed_nonsense_makes_a_usable_detector(kind: str, content: bytes) -> None:
    read, data = FED[kind]
    body = data[:4] + content
    detector = read(body + zlib.crc32(body).to_bytes(4, "little"))
    detector.update(0.5, START)
    detector.explain()


@kinds
def test_another_version_makes_a_fresh_detector(kind: str) -> None:
    read, data = FED[kind]
    body = data[:2] + bytes([data[2] + 1]) + data[3:-4]
    assert read(body + zlib.crc32(body).to_bytes(4, "little")).to_bytes() == FRESH[kind]


def test_a_rate_of_another_requirement_begins_anew() -> None:
    _, data = FED["rate"]
    assert RateDetector.from_bytes(data, 50.0).to_bytes() == RateDetector(50.0).to_bytes()
