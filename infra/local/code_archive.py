"""The code of the jobs as one file, for executors that cannot see this checkout.

    python -m infra.local.code_archive FOLDER

Writes churn-<hash of the code>.zip into FOLDER, unless it is there, and prints its path. Two lines of
spark-defaults.conf send it to every executor, whose Python imports from it:

    spark.files                     FOLDER/churn-<hash>.zip
    spark.executorEnv.PYTHONPATH    churn-<hash>.zip

Not spark.submit.pyFiles, with which the driver would import from the archive as well: it reads templates, migrations
and its own source files, which a zip file does not have as files.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command

PACKAGES = ("spark_jobs", "training", "infra")
_SAME_TIME = (2000, 1, 1, 0, 0, 0)  # so that the same code gives the same file


def make_archive(folder: Path) -> Path:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    contents = {str(file.relative_to(ROOT)): file.read_bytes() for file in files}
    digest = sha256(repr(sorted(contents.items())).encode()).hexdigest()[:16]
    archive = folder / f"churn-{digest}.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = archive.with_suffix(".draft")
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in contents.items():
                zipped.writestr(zipfile.ZipInfo(name, _SAME_TIME), content, zipfile.ZIP_DEFLATED)
        draft.rename(archive)
    return archive


def main(argv: Sequence[str] | None = None) -> None:
    if not argv or len(argv) != 1:
        raise ChurnError("usage: python -m infra.local.code_archive FOLDER")
    print(make_archive(Path(argv[0]).absolute()))


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
