"""Starts a command that finds some folders empty, by Linux's mount namespaces. Only root may."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path


@cache
def can_cover() -> bool:
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True).returncode == 0


def cover(covered: Sequence[Path], kept: Sequence[Path], aside: Path, command: Sequence[str]) -> list[str]:
    """The command in a namespace in which the covered folders contain nothing but the kept ones.

    aside: an empty folder, through which the kept ones are mounted.
    """
    present = [folder for folder in kept if folder.exists()]
    spares = [aside / str(number) for number in range(len(present))]
    steps = [["mount", "-t", "tmpfs", "tmpfs", str(aside)]]
    for folder, spare in zip(present, spares, strict=True):
        steps += [["mkdir", str(spare)], ["mount", "--bind", str(folder), str(spare)]]
    steps += [["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)] for folder in covered]
    for folder, spare in zip(present, spares, strict=True):
        steps += [["mkdir", "-p", str(folder)], ["mount", "--bind", str(spare), str(folder)]]
    steps += [["umount", "--lazy", str(aside)], ["exec", *command]]
    return ["unshare", "--mount", "sh", "-c", " && ".join(map(shlex.join, steps))]
