"""TLS towards others: who is believed."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from monitor.tls import client_context
from tests.servers.certificates import Authority


def test_it_verifies_name_and_issuer_and_speaks_nothing_old(tmp_path: Path) -> None:
    for context in (client_context(None), client_context(Authority(tmp_path).file)):
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_authorities_that_are_given_are_the_only_ones(tmp_path: Path) -> None:
    [known] = client_context(Authority(tmp_path).file).get_ca_certs()
    assert known["serialNumber"]


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        client_context(tmp_path / "none.pem")
