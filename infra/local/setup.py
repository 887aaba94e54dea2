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

from infra.local.environment import AIRFLOW_ENVIRONMENT, JOBS_ENVIRONMENT, ROOT, fits_sail
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import SAIL, Settings
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.sail_server import SAIL_ENVIRONMENT

UV_VERSION = "0.13.9"
JAVA_VERSIONS = (17, 21)  # what Spark 4 runs on
STAMP = "setup.stamp"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--without-java", action="store_true", help="do not ask for Java, whatever the engine")
    either.add_argument("--with-java", action="store_true", help="ask for Java, whatever the engine")
    arguments, uses_sail = parser.parse_args(argv), is_for_sail(os.environ)
    asks = arguments.with_java or not (uses_sail or arguments.without_java)
    java_version = (
        check_java("" if arguments.with_java else ", or CHURN_ENGINE=sail, which needs none") if asks else None
    )
    environments = choose_environments(uses_sail)
    stale = {folder: group for folder, group in environments.items() if not is_current(folder, group)}
    uv = (find_uv() or install_uv()) if stale else ""
    for folder, group in stale.items():
        sync(uv, folder, group)
    if java_version:
        archive_classes(java_version, is_new=JOBS_ENVIRONMENT in stale)


def is_for_sail(environment: Mapping[str, str]) -> bool:
    """Whether local shops of this environment run on Sail once it is installed."""
    Settings.from_environment(environment)  # so that a wrong CHURN_ENGINE is an error
    given = environment.get("CHURN_ENGINE")
    return given == SAIL if given else fits_sail(environment)


def choose_environments(uses_sail: bool) -> dict[Path, str]:
    """Folder to dependency group. Sail's, once there, is kept current."""
    environments = {JOBS_ENVIRONMENT: choose_jobs_group(), AIRFLOW_ENVIRONMENT: "airflow"}
    return environments | ({SAIL_ENVIRONMENT: "sail"} if uses_sail or SAIL_ENVIRONMENT.exists() else {})


def archive_classes(java_version: str, is_new: bool) -> None:
    """Makes Spark's class archive. A failure only costs speed, so it is printed and setup continues."""
    archive = JOBS_ENVIRONMENT / f"spark-java-{java_version}.jsa"
    if archive.exists() and not is_new:
        return
    for other in JOBS_ENVIRONMENT.glob("spark-java-*"):
        other.unlink()
    print("setup: class archive, for quick starts of Spark", flush=True)
    command: list[str | Path] = [JOBS_ENVIRONMENT / "bin" / "python", "-m", "infra.local.class_archive", archive]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        error = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"setup: no class archive, Spark starts more slowly ({error})", flush=True)
        archive.touch()  # an empty file, so that the next commands do not try again


def check_java(way_out: str = "") -> str:
    """The version of the Java that Spark would use. Raises ChurnError unless Spark supports it. way_out: what the error
    says that helps, too."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    remedy = "install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or set JAVA_HOME" + way_out
    needed = " or ".join(map(str, JAVA_VERSIONS))
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise ChurnError(f"Java {needed} is needed and {java} does not run: {remedy}") from None
    version = re.search(r'version "((\d+)[\w.+-]*)', output)
    if not version or int(version[2]) not in JAVA_VERSIONS:
        found = version[2] if version else output.strip()
        raise ChurnError(f"Java {needed} is needed and {java} is {found}: {remedy}")
    return version[1]


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
    """A hash of what an environment is made from, including its path, because environments cannot be moved."""
    digest = sha256(f"{folder}\n{group}\n".encode())
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
