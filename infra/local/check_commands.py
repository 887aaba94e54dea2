"""Checks that every make target is documented, and that every module in the Makefile can be run."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command

RULE = re.compile(r"^([a-z][\w-]*):(.*)$", re.MULTILINE)
MODULE = re.compile(r"(?:\$\((?:JOBS|AIRFLOW)\)|python -m) ([\w.]+)")


def main(argv: Sequence[str] | None = None) -> None:
    makefile = (ROOT / "Makefile").read_text()
    faults = find_faults(makefile)
    if faults:
        raise ChurnError("Makefile: " + "; ".join(faults))
    print(f"Makefile: {len(RULE.findall(makefile))} commands, all documented and alive")


def find_faults(makefile: str) -> list[str]:
    """The faults of the Makefile, one text each."""
    phony = set(" ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)).split())
    rules = dict(RULE.findall(makefile))
    faults = [f"{target} has no ## description, so make help does not show it" for target, rest in rules.items()
              if "## " not in rest]  # fmt: skip
    faults += [f"{target} is not in .PHONY" for target in rules if target not in phony]
    faults += [f".PHONY names {target}, which has no rule" for target in sorted(phony - set(rules))]
    return faults + [f"{module} is no command" for module in MODULE.findall(makefile) if not is_command(module)]


def is_command(module: str) -> bool:
    """Whether the module, or its __main__, has code for `python -m module`."""
    try:
        spec = find_spec(module)
        spec = find_spec(f"{module}.__main__") if spec and spec.submodule_search_locations else spec
    except ModuleNotFoundError:
        return False
    if spec is None or spec.origin is None:
        return False
    return 'if __name__ == "__main__"' in Path(spec.origin).read_text()


if __name__ == "__main__":
    sys.exit(run_command(main))
