"""Lists what the product is installed with.

python -m infra.local.dependencies --licences        name, version and licence of every package of both environments
python -m infra.local.dependencies --sbom FILE.json  a CycloneDX bill of materials, from uv.lock
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, ROOT
from infra.local.setup import find_uv, install_uv
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command

UNKNOWN = "not stated"
MOST_CHARACTERS = 60  # of a licence's name; some packages give the whole text instead


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--licences", action="store_true")
    chosen.add_argument("--sbom", type=Path, metavar="FILE.json")
    chosen.add_argument("--of-this-environment", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.of_this_environment:
        print(json.dumps(list_licences()))
    elif arguments.sbom:
        write_sbom(arguments.sbom)
        print(f"{arguments.sbom} is written")
    else:
        for name, (version, licence) in sorted(collect_licences().items()):
            print(f"{name:45} {version:16} {licence}")


def collect_licences() -> dict[str, tuple[str, str]]:
    """Name to version and licence, of both environments."""
    found: dict[str, tuple[str, str]] = {}
    for python in (JOBS_PYTHON, AIRFLOW_PYTHON):
        command = [str(python), "-m", "infra.local.dependencies", "--of-this-environment"]
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        found |= {name: (version, licence) for name, version, licence in json.loads(output)}
    return found


def list_licences() -> list[tuple[str, str, str]]:
    """Name, version and licence of every package of this environment."""
    found = []
    for one in distributions():
        stated = {key: one.metadata[key] for key in ("License-Expression", "License") if key in one.metadata}
        licence = name_licence(stated, one.metadata.get_all("Classifier") or [])
        found.append((one.metadata["Name"], one.version, licence))
    return found


def name_licence(metadata: Mapping[str, str], classifiers: Sequence[str]) -> str:
    """The SPDX expression, else the classifiers, else the first line of the text."""
    if expression := metadata.get("License-Expression"):
        return expression
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    lines = [line.strip() for line in (metadata.get("License") or "").splitlines() if line.strip()]
    text = ", ".join(named) or (lines[0] if lines else UNKNOWN)
    return text[:MOST_CHARACTERS]


def write_sbom(file: Path) -> None:
    uv, bills = find_uv() or install_uv(), []
    for group in ("jobs", "airflow"):
        command = [uv, "export", "--quiet", "--locked", "--format", "cyclonedx1.5", "--group", group]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if result.returncode != 0:
            raise ChurnError(f"uv export failed: {(result.stderr.strip().splitlines() or ['no message'])[-1]}")
        bills.append(json.loads(result.stdout))
    file.write_text(json.dumps(merge_bills(bills), indent=1))


def merge_bills(bills: Sequence[dict]) -> dict:
    """One bill with the components and dependencies of all, each once."""
    components = {one["bom-ref"]: one for bill in bills for one in bill.get("components", [])}
    depends: dict[str, set[str]] = {}
    for one in (one for bill in bills for one in bill.get("dependencies", [])):
        depends.setdefault(one["ref"], set()).update(one.get("dependsOn", []))
    dependencies = [{"ref": ref, "dependsOn": sorted(depends[ref])} for ref in sorted(depends)]
    return bills[0] | {"components": [components[ref] for ref in sorted(components)], "dependencies": dependencies}


if __name__ == "__main__":
    sys.exit(run_command(main))
