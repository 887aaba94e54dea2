"""An object store that cannot be used is named in one line, which says what to do, and within seconds."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from spark_jobs.contract.errors import ChurnError, TransientError
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.lake.store_errors import describe_failure
from tests.object_store import BUCKET, free_port, object_store
from tests.spark_jobs.lake.sample import WORDS, words

USES = {
    "reading a table": lambda url: Lake(url).arrow(WORDS),
    "changing a table": lambda url: Lake(url).update(WORDS, "one", lambda rows: words("a")),
    "writing a file": lambda url: (Location.parse(url) / "a").write_text("a"),
}


def fail(use: str, url: str) -> ChurnError:
    """The error, which has one line without secrets."""
    with pytest.raises(ChurnError) as raised:
        USES[use](url)
    assert "\n" not in str(raised.value)
    assert "test-secret" not in str(raised.value)
    return raised.value


@contextmanager
def stored(monkeypatch):
    with object_store() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


def test_a_closed_port_is_worth_another_try(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for use in USES:
        begin = time.monotonic()
        error = fail(use, f"s3://{BUCKET}/lakes")
        assert "no store answers: start it, or correct AWS_ENDPOINT_URL" in str(error)
        assert isinstance(error, TransientError)
        assert time.monotonic() - begin < 20


def test_a_bucket_that_is_not_there(monkeypatch):
    with stored(monkeypatch):
        for use in USES:
            error = fail(use, "s3://absent/lakes")
            assert "there is no such bucket: create it, or correct CHURN_LAKE" in str(error)
            assert not isinstance(error, TransientError)


def test_keys_that_the_store_does_not_know(monkeypatch):
    monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "1")  # moto checks the keys of all requests but the first
    with stored(monkeypatch):
        for use in USES:
            assert "the store does not accept the credentials" in str(fail(use, f"s3://{BUCKET}/lakes"))


def test_no_credentials_at_all(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    # Where a machine asks for its role.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert "no credentials were found: set AWS_ACCESS_KEY_ID" in str(fail("reading a table", "s3://one-bucket/lakes"))


@pytest.mark.parametrize(
    ("text", "words", "is_transient"),
    [
        ("AWS Error ACCESS_DENIED during HeadObject operation", "let these credentials list the bucket", False),
        ("<Code>PermanentRedirect</Code>", "set AWS_REGION", False),
        ("503 Slow Down", "503 Slow Down", True),
        ("400 Bad Request", "400 Bad Request", False),
        ("\x1b[31mGeneric\x1b[0m\n   error", "Generic error", True),
    ],
)
def test_other_errors(text, words, is_transient):
    error = describe_failure("the lake", OSError(text))
    assert words in str(error)
    assert isinstance(error, TransientError) is is_transient
