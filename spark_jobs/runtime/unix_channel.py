"""A session of Spark Connect through a Unix socket: Spark's own addresses name a host and a port."""

from __future__ import annotations

import os
from typing import cast

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.core import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession as RemoteSession


class UnixChannel(DefaultChannelBuilder):
    """address: as gRPC writes it, unix:PATH."""

    def __init__(self, address: str):
        super().__init__("sc://localhost", [("grpc.default_authority", "localhost")])
        self._address = address

    def toChannel(self) -> grpc.Channel:  # noqa: N802
        return self._insecure_channel(self._address)


def connect(address: str) -> SparkSession:
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as builder.remote does: functions then make Connect's expressions
    return cast(SparkSession, RemoteSession.builder.channelBuilder(UnixChannel(address)).getOrCreate())
