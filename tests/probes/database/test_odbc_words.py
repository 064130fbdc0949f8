"""odbc: what drivers are told, and what their words mean, also of engines that were not tried."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.database._odbc import version_of
from probes.database._odbc_refusal import refusal
from probes.database._odbc_string import Dialect, Wanted, connection_string, dialect_of
from probes.database.odbc import OdbcParams
from probes.errors import ProberFault


def test_what_drivers_speak() -> None:
    assert dialect_of("ODBC Driver 18 for SQL Server") == "mssql"
    assert dialect_of("DM8 ODBC DRIVER") == "dameng"
    assert dialect_of("IBM DB2 ODBC DRIVER") == "db2"
    assert dialect_of("Somebody's") == "other"


def _string(driver: str, dialect: Dialect, **more: Any) -> str:
    return connection_string(Wanted(driver, "10.0.0.1", "db.example", 1, "d", "u", "p}", **more), dialect)


def test_connection_strings_of_engines_that_were_not_tried() -> None:
    microsoft = "ODBC Driver 18 for SQL Server"
    text = _string(microsoft, "mssql", tls=True)
    assert "Server=tcp:10.0.0.1,1;" in text
    assert "Encrypt=yes;TrustServerCertificate=no;HostnameInCertificate=db.example;" in text
    assert "PWD={p}}};" in text
    assert "Encrypt=no;" in _string(microsoft, "mssql")
    assert "Server=10.0.0.1;Port=1;" in _string("FreeTDS", "mssql")
    assert "SERVER=10.0.0.1;TCP_PORT=1;" in _string("DM8 ODBC DRIVER", "dameng")
    assert "HOSTNAME=10.0.0.1;PORT=1;PROTOCOL=TCPIP;DATABASE=d;" in _string("IBM DB2 ODBC DRIVER", "db2")
    dialects: tuple[Dialect, ...] = ("dameng", "db2", "other")
    for dialect in dialects:
        with pytest.raises(ProberFault, match="its own options"):
            _string("x", dialect, tls=True)
    with pytest.raises(ProberFault, match="leave ca out"):
        _string(microsoft, "mssql", tls=True, ca="/ca.pem")


@given(st.text(st.characters(exclude_characters="\0\r\n"), max_size=20))
def test_no_value_breaks_out_of_its_place(value: str) -> None:
    text = connection_string(Wanted("D", "h", "h", 1, "d", "u", value), "other")
    head, _, quoted = text.partition("PWD=")
    assert head == "DRIVER=D;SERVER=h;PORT=1;DATABASE=d;UID=u;"
    if quoted.startswith("{"):
        inner, end = quoted[1:].replace("}}", "\0").split("}", 1)
        assert (inner.replace("\0", "}"), end) == (value, ";")
    else:
        assert quoted == f"{value};"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("10.11.000019", "10.11.19"),
        ("15.00.2000", "15.0.2000"),
        ("3.39.3", "3.39.3"),
        ("", ""),
        ("08 x", "8"),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("dialect", "state", "text", "word"),
    [
        ("mssql", "28000", "Login failed for user 'u'. (18456) (SQLDriverConnect)", "wrong_password"),
        ("mssql", "42000", "Cannot open database (4060) (SQLDriverConnect)", "no_such_database"),
        ("mssql", "42000", "SELECT permission was denied (229) (SQLExecDirectW)", "missing_right"),
        ("mssql", "42000", "The transaction log is full (9002) (SQLExecDirectW)", "disk_full"),
        ("mssql", "42000", "Incorrect syntax (102) (SQLExecDirectW)", "bad_query"),
        ("dameng", "HY000", "用户名或密码错误 (-2501) (SQLDriverConnect)", "wrong_password"),
        ("dameng", "42S02", "无效的表或视图名 (-2106) (SQLExecDirectW)", "no_such_table"),
        ("db2", "08001", "SQL30082N Security failed (-30082) (SQLDriverConnect)", "wrong_password"),
        ("db2", "57011", "SQL0968C The file system is full. (-968) (SQLExecDirectW)", "disk_full"),
        ("other", "42S02", "(0) (SQLExecDirectW)", "no_such_table"),
    ],
)  # fmt: skip
def test_numbers_of_engines_that_were_not_tried(dialect: Dialect, state: str, text: str, word: str) -> None:
    found = refusal(state, text, dialect, text)
    assert found is not None
    assert found.word == word


@given(
    st.sampled_from(["postgresql", "mysql", "mssql", "dameng", "db2", "sqlite", "other"]),
    st.text(max_size=5), st.text(max_size=40) | st.from_regex(r"x \(-?\d{1,12}\) \(SQLExecDirectW\)"),
)  # fmt: skip
def test_no_text_breaks_the_reading(dialect: Dialect, state: str, text: str) -> None:
    refusal(state, text, dialect, text)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"options": {"PWD": "x"}}, "PWD is no option"),
        ({"options": {"a;b": "x"}}, "should match pattern"),
        ({"driver": "a}b"}, "should match pattern"),
        ({"driver": "Somebody's"}, "port"),
        ({"tls": "on", "min_version": "1.3"}, "by its own options"),
        ({"tls": "on", "certificate": "/me.pem"}, "by its own options"),
        ({"driver": "MariaDB Unicode", "tls": "on", "server_name": "db.example"}, "as the asset's address"),
        ({"password": "inline"}, "an inline password is refused"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], message: str) -> None:
    given_ = {"driver": "PostgreSQL Unicode", "database": "d", "user": "u"} | params
    with pytest.raises(ValidationError, match=message):
        OdbcParams.model_validate(given_)


def test_the_port_is_the_engines() -> None:
    given_ = {"driver": "FreeTDS", "database": "d", "user": "u"}
    assert OdbcParams.model_validate(given_).port == 1433
    assert OdbcParams.model_validate(given_ | {"dialect": "dameng"}).port == 5236
    assert OdbcParams.model_validate(given_ | {"port": 7}).port == 7
