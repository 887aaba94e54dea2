"""Makes the environments from uv.lock: `.venv` for the jobs and TensorFlow, `.venv-airflow` for Airflow, and
`.venv-sail` for Sail, the engine without Java, where local shops run on it: see `environment.choose_engine`. Elsewhere
they run on Spark, and then setup asks for Java.

Standard library only, because it runs before anything is installed. If `uv` is missing or too old, it is installed into
`.tools`. Repeating is quick: an environment is kept as long as its lock file does not change.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from infra.local.environment import AIRFLOW_ENVIRONMENT, JOBS_ENVIRONMENT, ROOT, fits_sail, is_open_for_sail
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.reach import require_reachable
from spark_jobs.contract.settings import SAIL, Settings
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.java import check_java
from spark_jobs.runtime.sail_server import SAIL_ENVIRONMENT, STAMP

UV_VERSION = "0.13.9"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--without-java", action="store_true", help="do not ask for Java, whatever the engine")
    either.add_argument("--with-java", action="store_true", help="ask for Java, whatever the engine")
    arguments, uses_sail = parser.parse_args(argv), is_for_sail(os.environ)
    asks = arguments.with_java or not (uses_sail or arguments.without_java)
    java_version = check_java("" if arguments.with_java else name_way_out(os.environ)) if asks else None
    environments = choose_environments(uses_sail)
    stale = {folder: group for folder, group in environments.items() if not is_current(folder, group)}
    uv = (find_uv() or install_uv()) if stale else ""
    for folder, group in stale.items():
        try:
            sync(uv, folder, group)
        except ChurnError:
            if folder != SAIL_ENVIRONMENT or os.environ.get("CHURN_ENGINE"):
                raise
            print("setup: without Sail, so shops run on Spark; repeat setup to try again", flush=True)
            java_version = java_version or (None if arguments.without_java else check_java())
    if java_version:
        archive_classes(java_version)


def is_for_sail(environment: Mapping[str, str]) -> bool:
    """Whether local shops of this environment run on Sail once it is installed. Raises ChurnError if CHURN_ENGINE asks
    for what cannot be."""
    settings = Settings.from_environment(environment)
    require_reachable(settings, settings.lake_place, "CHURN_LAKE")
    given = environment.get("CHURN_ENGINE")
    return given == SAIL if given else fits_sail(environment)


def name_way_out(environment: Mapping[str, str]) -> str:
    """How the shops of this environment would run without Java."""
    if environment.get("CHURN_ENGINE") or not is_open_for_sail(environment):
        return ""
    return ("; without Java, let users make network namespaces, or if nobody else has an account here set"
            " CHURN_ENGINE=sail: see infra/docs/explanation/engines.md")  # fmt: skip


def choose_environments(uses_sail: bool) -> dict[Path, str]:
    """Folder to dependency group. Sail's, once there, is kept current."""
    environments = {JOBS_ENVIRONMENT: choose_jobs_group(), AIRFLOW_ENVIRONMENT: "airflow"}
    return environments | ({SAIL_ENVIRONMENT: "sail"} if uses_sail or SAIL_ENVIRONMENT.exists() else {})


def archive_classes(java_version: str) -> None:
    """Makes Spark's class archive. A failure only costs speed, so it is printed and setup continues."""
    archive = JOBS_ENVIRONMENT / f"spark-java-{java_version}.jsa"
    if archive.exists():
        return
    remove_archives()
    print("setup: class archive, for quick starts of Spark", flush=True)
    command: list[str | Path] = [JOBS_ENVIRONMENT / "bin" / "python", "-m", "infra.local.class_archive", archive]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        error = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"setup: no class archive, Spark starts more slowly ({error})", flush=True)
        archive.touch()  # an empty file, so that the next commands do not try again


def remove_archives() -> None:
    for archive in JOBS_ENVIRONMENT.glob("spark-java-*"):
        archive.unlink()


def choose_jobs_group() -> str:
    """The dependency group with CUDA if there is a GPU, else the one for the CPU."""
    try:
        cards = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "jobs"
    return "jobs-gpu" if "GPU " in cards else "jobs"


def is_current(folder: Path, group: str) -> bool:
    stamp = folder / STAMP
    return stamp.exists() and (folder / "bin" / "python").exists() and stamp.read_text() == make_stamp(folder, group)


def make_stamp(folder: Path, group: str) -> str:
    """A hash of what an environment is made from: with its path, because environments cannot be moved, and with the
    version of Python, because the jobs look for Sail in that of their own."""
    digest = sha256(f"{folder}\n{group}\n{sys.version_info[:2]}\n".encode())
    for name in ("pyproject.toml", "uv.lock"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def find_uv() -> str | None:
    """A uv on PATH or in .tools that is at least as new as the one we would install."""
    wanted = _version_numbers(UV_VERSION)
    for candidate in (shutil.which("uv"), str(ROOT / ".tools" / "bin" / "uv")):
        if candidate and Path(candidate).exists():
            output = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
            if _version_numbers(output) >= wanted:
                return candidate
    return None


def _version_numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in found.groups()) if found else ()


def install_uv() -> str:
    """Installs uv into .tools: by pip in a new virtual environment or, if venv is missing, by the system's pip."""
    tools = ROOT / ".tools"
    print("setup: uv", flush=True)
    ways = (
        [
            [sys.executable, "-m", "venv", "--clear", str(tools)],
            [str(tools / "bin" / "python"), "-m", "pip", "install"],
        ],
        [[sys.executable, "-m", "pip", "install", "--upgrade", "--target", str(tools)]],
    )
    message = ""
    for *before, install in ways:
        commands = [*before, [*install, "--quiet", f"uv=={UV_VERSION}"]]
        results = (subprocess.run(command, capture_output=True, text=True) for command in commands)
        failed = next((result for result in results if result.returncode != 0), None)
        if failed is None:
            return str(tools / "bin" / "uv")
        message = ((failed.stderr or failed.stdout).strip().splitlines() or ["no message"])[-1]
    raise ChurnError(f"uv could not be installed ({message}): install it, or Python's venv module, and repeat")


def sync(uv: str, folder: Path, group: str) -> None:
    """Installs exactly what the lock file says, and writes the stamp. Prints one line instead of all packages."""
    (folder / STAMP).unlink(missing_ok=True)
    if folder == JOBS_ENVIRONMENT:
        remove_archives()  # of the former Spark
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    environment |= {"UV_PROJECT_ENVIRONMENT": str(folder), "UV_HTTP_TIMEOUT": "300"}
    command = [uv, "sync", "--quiet", "--locked", "--group", group, "--python", sys.executable]
    errors = run_with_clock(f"setup: {folder.name} from uv.lock, group {group}", command, environment)
    if errors is not None:
        print(errors.strip(), file=sys.stderr)
        raise ChurnError(f"{folder.name} could not be made: see uv's message above; repeating is safe")
    (folder / STAMP).write_text(make_stamp(folder, group))


def run_with_clock(title: str, command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Runs a silent command, on a terminal with the seconds so far. Returns None, or what a failed one has said."""
    begin = time.monotonic()
    print(title, end="", flush=True)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                _, errors = process.communicate(timeout=1)
                break
            if sys.stdout.isatty():
                print(f"\r{title}, {time.monotonic() - begin:.0f} s", end="", flush=True)
    finally:
        process.terminate()  # after Ctrl-C
        print("", flush=True)
    return None if process.returncode == 0 else errors


if __name__ == "__main__":
    sys.exit(run_command(main))
