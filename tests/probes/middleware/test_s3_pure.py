"""Signatures against Amazon's own examples and botocore; answers read with bounds."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qsl

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes._service import Notes
from probes.api import Context
from probes.errors import Ending, ProtocolViolated
from probes.middleware._s3 import Page, S3Params, digest_of
from probes.middleware._s3_answers import Thing, clock, first, listed, records, refusal
from probes.middleware._s3_sign import Key, path_of, query_of, signed
from probes.middleware.s3 import _tell_newest
from tests.probing import shared_here

EXAMPLE = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
THEN = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
PAGE = b"""<?xml version="1.0"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name><Prefix>a</Prefix>
<KeyCount>2</KeyCount><IsTruncated>%s</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>
<Contents><Key>a%%2Fb+c</Key><LastModified>2027-01-15T08:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag>
<Size>5</Size><Owner><ID>me</ID></Owner></Contents>
<Contents><Key>a1</Key><LastModified>2027-01-15T09:00:00Z</LastModified><Size>6</Size></Contents>
</ListBucketResult>"""


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ([("lifecycle", "")], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ([("max-keys", "2"), ("prefix", "J")],
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)  # fmt: skip
def test_the_examples_of_the_api_reference(query: list[tuple[str, str]], signature: str) -> None:
    host, digest = "examplebucket.s3.amazonaws.com", digest_of(b"")
    fields = dict(signed("GET", host, "/", query_of(query), digest, EXAMPLE, "us-east-1", THEN))
    assert fields["authorization"].endswith(f"Signature={signature}")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3, unique_by=lambda pair: pair[0]), TEXT,
       st.sampled_from(["", "t/1+"]), st.binary(max_size=20))  # fmt: skip
def test_botocore_signs_alike(
    name: str, pairs: list[tuple[str, str]], secret: str, token: str, body: bytes
) -> None:
    path, query = path_of("bucket", name), query_of(pairs)
    theirs = AWSRequest("PUT", f"http://store.example:9000{path}?{query}", data=body)
    auth = S3SigV4Auth(Credentials("AKIA", secret, token or None), "s3", "cn-north-1")
    auth.add_auth(theirs)
    at = dt.datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    key = Key("AKIA", secret, token)
    ours = dict(signed("PUT", "store.example:9000", path, query, digest_of(body), key, "cn-north-1", at))
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert parse_qsl(query, keep_blank_values=True) == sorted(pairs, key=lambda p: query_of([p]))


def test_a_key_shows_no_secret() -> None:
    assert EXAMPLE.secret_key not in repr(EXAMPLE)


def test_a_list() -> None:
    things, further = listed(PAGE % b"true")
    assert [(thing.key, thing.size) for thing in things] == [("a/b c", 5), ("a1", 6)]
    assert things[0].modified == dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)
    assert further == "t+/="
    assert listed(PAGE % b"false")[1] == ""


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no XML", b"<ListBucketResult>", b"<Other/>", b"<a>" * 20 + b"</a>" * 20,
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        (b"<ListBucketResult><Contents><Key>a</Key><Size>x</Size><LastModified>2027-01-15T08:00:00Z"
        b"</LastModified></Contents></ListBucketResult>"),
    ],
)  # fmt: skip
def test_lists_that_are_none(body: bytes) -> None:
    with pytest.raises(ProtocolViolated):
        listed(body)


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    assert isinstance(refusal(500, body).ending(), Ending)


def test_an_empty_document_has_a_record() -> None:
    assert first(records(b"<VersioningConfiguration xmlns='x'/>"), "VersioningConfiguration") == {}


def test_the_stores_clock() -> None:
    assert clock("Fri, 15 Jan 2027 08:00:00 GMT") == dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)
    assert clock("") is None
    assert clock("Fri, 99 Jan") is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"access_key": "a"}, "access_key and secret_key belong together"),
        ({"session_token": "secret:t"}, "session_token belongs to an access key"),
        ({"access_key": "a", "secret_key": "inline"}, "an inline password is refused"),
        ({"size": 20_000_000}, "less than or equal to 16777216"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        S3Params.model_validate({"bucket": "b"} | params)


@pytest.mark.parametrize(("ahead", "age"), [(-90, 90), (30, 0), (90, None)])
async def test_what_is_of_the_future_is_not_fresh(ahead: int, age: float | None) -> None:
    newest = Thing("a", 1, THEN + dt.timedelta(seconds=ahead))
    async with shared_here() as shared:
        notes = Notes(Context(shared, 5.0))
        _tell_newest(notes, newest, Page([newest], "", THEN))
    assert notes.metrics.get("newest_age_s") == age
    assert ("not_told" in notes.facts) is (age is None)
