"""Does the API of local tasks answer, and is only its newest version built?"""

from __future__ import annotations

import subprocess
import sys

from infra.local.environment import ROOT

#: In a process of its own, because the API stays changed.
ASK = """
import os, httpx
from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI
from infra.local.task_api import keep_newest_version
assert keep_newest_version()
api = InProcessExecutionAPI()
answer = httpx.Client(transport=api.transport, base_url="http://local").get("/health/ping")
print(answer.status_code, len(api.app.router.versioned_routers), flush=True)
os._exit(0)
"""


def test_the_api_of_local_tasks_answers_in_its_newest_version_only():
    answer = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.stdout.split() == ["200", "1"], answer.stderr
