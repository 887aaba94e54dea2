"""Is all CPU time counted, including that of a process whose parent has ended?"""

import os
import subprocess
import sys

from infra.bench import processes

BUSY = "import time\nwhile time.process_time() < {seconds}: pass"
#: Adopts orphans; starts a parent that leaves a busy child behind; prints what was counted below.
MEASURED = f"""
import subprocess, sys, time
from infra.bench.processes import adopt_orphans, read_cpu_seconds
adopt_orphans()
child = [sys.executable, "-c", {BUSY.format(seconds=0.3)!r}]
subprocess.run([sys.executable, "-c", f"import subprocess; subprocess.Popen({{child!r}})"])
deadline = time.monotonic() + 20
while read_cpu_seconds().below < 0.3 and time.monotonic() < deadline:
    time.sleep(0.05)
print(read_cpu_seconds().below)
"""


def test_the_cpu_time_of_an_orphan_is_counted():
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    assert float(done.stdout) >= 0.3


def test_processes_are_read_again_if_one_has_ended_meanwhile(monkeypatch):
    """Its time could count with its parent's, too."""
    own, ended = os.getpid(), os.getppid()
    lists = iter([{own, ended}, {own}, {own}, {own}])
    monkeypatch.setattr(processes, "_list_ids", lambda: next(lists))
    assert set(processes._read_processes()) == {own}
