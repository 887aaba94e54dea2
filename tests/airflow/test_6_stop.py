"""The last test: no process is left running."""

from __future__ import annotations

import httpx
import psutil
import pytest

from infra.local.airflow_server import find_processes


def test_nothing_outlives_a_stop(server, home):
    components = find_processes(home)
    assert len(components) >= 4
    server.stop()
    assert find_processes(home) == []
    assert not any(psutil.pid_exists(process.pid) and process.is_running() for process in components)
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
