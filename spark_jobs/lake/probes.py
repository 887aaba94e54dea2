"""What an object store must do, asked before it is used. Only S3 is asked: its protocol has stores of many kinds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

import obstore
import obstore.exceptions
import obstore.store

from spark_jobs.contract.errors import ChurnError
from spark_jobs.lake.location import Location, find_endpoint
from spark_jobs.lake.store_errors import describe_failure

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_QUICKLY: RetryConfig = {"max_retries": 1, "retry_timeout": timedelta(seconds=10)}
_answered: set[tuple[str, str | None]] = set()  # buckets, with their endpoints


def require_answer(place: Location) -> None:
    """Raises ChurnError within seconds if this process cannot list the bucket: delta-rs would try for minutes.

    A bucket is asked once.
    """
    bucket = place.place.removeprefix("s3://").partition("/")[0], find_endpoint()
    if not _is_s3(place) or bucket in _answered:
        return
    try:
        obstore.list_with_delimiter(_open(place, _QUICKLY))
    except obstore.exceptions.BaseError as error:
        raise describe_failure(f"{place} cannot be read", error) from None
    _answered.add(bucket)


def require_conditional_puts(place: Location) -> None:
    """Raises ChurnError if the store overwrites an object that was to be created: of two commits one would be lost."""
    if not _is_s3(place):
        return
    store = _open(place)
    name = f"_probe-{token_hex(8)}"
    try:
        with suppress(obstore.exceptions.AlreadyExistsError):  # the answer was lost, and the put repeated
            obstore.put(store, name, b"", mode="create")
        obstore.put(store, name, b"", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        return
    except obstore.exceptions.BaseError as error:
        raise describe_failure(f"{place} cannot be written", error) from None
    finally:
        with suppress(obstore.exceptions.BaseError):
            obstore.delete(store, name)
    raise ChurnError(f"{place}: the store ignores If-None-Match, so runs at once could overwrite each other's commits: "
                     "use a store with conditional puts")  # fmt: skip


def _is_s3(place: Location) -> bool:
    return place.place.startswith("s3://")


def _open(place: Location, retry_config: RetryConfig | None = None) -> obstore.store.ObjectStore:
    allow_http = place.delta_options is not None
    return obstore.store.from_url(place.place, client_options={"allow_http": allow_http}, retry_config=retry_config)
