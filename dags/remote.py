"""Runs a command that works elsewhere, and takes the result out of its output: `python remote.py FILE COMMAND …`.

Passes the output on. The line that starts with RESULT_MARK, which a job prints with `--result -`, goes to the file
instead. Ends with the exit code of the command, or with 1 if a success left no result: its output was cut off, and a
repetition finds the finished work. Standard library only: it is run by its path, on a leash.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

#: As spark_jobs.runtime.command prints it.
RESULT_MARK = "result: "


def main(result: str, *command: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # the command gets them too, and has time to tidy up
        signal.signal(number, lambda *_: None)
    is_cut_off = "--dry-run" not in " ".join(command)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if line.startswith(RESULT_MARK):
                Path(result).write_text(line.removeprefix(RESULT_MARK))
                is_cut_off = False
            else:
                print(line, end="", flush=True)
    return process.returncode or int(is_cut_off)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
