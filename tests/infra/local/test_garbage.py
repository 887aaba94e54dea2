"""Does a process with many objects spend no time on looking through them?"""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import gc
from infra.local.garbage import few_collections
found = []
gc.callbacks.append(lambda phase, info: phase == "stop" and found.append(gc.get_count()))
with few_collections():
    kept = [[] for _ in range(900_000)]
    print(not found)
print(gc.collect(), gc.get_freeze_count() > 900_000)
"""


def test_few_collections_and_none_at_the_end():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "0", "True"], done.stderr
