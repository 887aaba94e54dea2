"""Errors of Arrow, delta-rs and obstore about an object store, as one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from spark_jobs.contract.errors import ChurnError, TransientError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOST_CHARACTERS = 300
#: What is in the text of an error of S3, what to do then, and whether a later try may succeed. The first match counts.
_REMEDIES = (
    (r"/latest/(api/token|meta-data)",
     "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role", True),
    (r"NoSuchBucket|NO_SUCH_BUCKET", "there is no such bucket: create it, or correct CHURN_LAKE", False),
    (r"InvalidAccessKeyId|INVALID_ACCESS_KEY_ID|SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH|ExpiredToken",
     "the store does not accept the credentials: correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", False),
    (r"AccessDenied|ACCESS_DENIED|\b403 ",
     "access is denied: let these credentials list the bucket, and get, put and delete objects below it", False),
    (r"PermanentRedirect|AuthorizationHeaderMalformed", "the bucket is in another region: set AWS_REGION", False),
    (r"NETWORK_CONNECTION|error sending request|Connection refused|dns error",
     "no store answers: start it, or correct AWS_ENDPOINT_URL", True),
    (r"\b40[0-4] ", "", False),
)  # fmt: skip


def describe_failure(what: str, error: Exception) -> ChurnError:
    """The error in one line; a TransientError if a later try may succeed."""
    line = " ".join(_COLOUR.sub("", str(error)).split())
    for pattern, remedy, is_transient in _REMEDIES:
        if re.search(pattern, line):
            return (TransientError if is_transient else ChurnError)(f"{what}: {remedy or line[:_MOST_CHARACTERS]}")
    return TransientError(f"{what}: {line[:_MOST_CHARACTERS]}")


@contextmanager
def in_one_line(place: str) -> Iterator[None]:
    """Turns errors of the store into a ChurnError. A missing file remains a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise describe_failure(f"{place} cannot be reached", error) from error
