"""Gets the Java libraries with which Spark reads s3:// URLs: Hadoop's S3A, once per checkout, about 690 MB.

    python -m infra.local.object_store_jars

Maven resolves infra/spark/s3a/pom.xml, so its mirrors and proxies apply. The files are compared with the checksums in
infra/spark/s3a/sha256, and then lie in .s3a, where sessions on this machine find them. Lakes on disk need none of this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path

from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.object_store import S3A_JARS

SOURCE = ROOT / "infra" / "spark" / "s3a"


def main(argv: Sequence[str] | None = None) -> None:
    if argv:
        raise ChurnError("usage: python -m infra.local.object_store_jars")
    expected = read_checksums()
    if S3A_JARS.is_dir() and set(expected) == {jar.name for jar in S3A_JARS.iterdir()}:
        return
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".s3a.") as folder:
        resolve(Path(folder, "jars"))
        check(Path(folder, "jars"), expected)
        shutil.rmtree(S3A_JARS, ignore_errors=True)
        Path(folder, "jars").rename(S3A_JARS)
    print(f"{S3A_JARS}: {', '.join(sorted(expected))}")


def read_checksums() -> dict[str, str]:
    """Name of each file to its sha256."""
    lines = (line.split() for line in (SOURCE / "sha256").read_text().splitlines())
    return {name: digest for digest, name in lines}


def resolve(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ChurnError("Maven is needed and mvn is not there: install it (Debian, Ubuntu: apt-get install maven)")
    command = [maven, "--quiet", "--batch-mode", "--file", str(SOURCE / "pom.xml"), "dependency:copy-dependencies",
               f"-DoutputDirectory={folder}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        error = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no message")
        raise ChurnError(f"Maven could not resolve hadoop-aws: {error}")


def check(folder: Path, expected: dict[str, str]) -> None:
    """Raises ChurnError unless the folder has exactly these files."""
    found = {}
    for jar in folder.iterdir():
        with jar.open("rb") as stream:
            found[jar.name] = file_digest(stream, "sha256").hexdigest()
    if found != expected:
        different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise ChurnError(f"{', '.join(different)}: not the files in {SOURCE / 'sha256'}, so they are not used")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
