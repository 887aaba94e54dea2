"""Runs a module as `python -m` does, but ends without a traceback when it is interrupted.

python -m infra.cli.child MODULE ARGUMENT…
"""

from __future__ import annotations

import os
import runpy
import signal
import sys

INTERRUPTED = 130

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell's children inherit that it is ignored
    try:
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # at once: what runs at a usual exit could print more
