"""What jobs need of Spark Connect's client beyond its own: Unix sockets, and an end of its patience."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.core import DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as RemoteSession


class UnixChannel(DefaultChannelBuilder):
    """address: as gRPC writes it, unix:PATH. Spark's own addresses name a host and a port."""

    def __init__(self, address: str):
        super().__init__("sc://localhost", [("grpc.default_authority", "localhost")])
        self._address = address

    def toChannel(self) -> grpc.Channel:  # noqa: N802
        return self._insecure_channel(self._address)


class WhileAlive(DefaultPolicy):
    """Spark's policy, which repeats a call that finds no server for minutes; require_alive may end that by an error."""

    def __init__(self, require_alive: Callable[[], None]):
        super().__init__()
        self._require_alive = require_alive

    def can_retry(self, e: BaseException) -> bool:
        can = super().can_retry(e)
        if can:
            self._require_alive()
        return can


def connect(address: str) -> SparkSession:
    """A session at an address that Spark knows, or at unix:PATH."""
    if not address.startswith("unix:"):
        return SparkSession.builder.remote(address).getOrCreate()
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as builder.remote does: functions then make Connect's expressions
    return cast(SparkSession, RemoteSession.builder.channelBuilder(UnixChannel(address)).getOrCreate())


def retry_while(spark: SparkSession, require_alive: Callable[[], None]) -> None:
    """Calls that find no server are repeated only as long as this raises no error."""
    cast(RemoteSession, spark).client.set_retry_policies([WhileAlive(require_alive)])
