"""Runs an image's build steps in a folder of its own, and starts what the image starts, without a container engine.

    python -m infra.images.in_root jobs airflow training-gpu [--folder /var/tmp/roots]

It knows the instructions that our Dockerfiles use. Instead of Python's base image it takes a minimal Debian with
Debian's Python 3.11, instead of the image of uv the uv of this checkout; COPY takes the files of the commit HEAD. Each
start runs as the image's user, without capabilities, on a read-only root in which only the volumes and /tmp can be
written. Needs Linux, root rights, mmdebstrap (a package of Debian), git, and network for Debian and PyPI.
SSL_CERT_FILE, if it is set, is also used in the build steps: behind a proxy it names the proxy's certificates.

What is not covered: the official base images, the engine's own isolation, and images of other projects.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from infra.images.stage import Stage, copy, expand, follow, read_steps, start
from infra.local.environment import ROOT
from infra.local.setup import find_uv
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command

IMAGES = ROOT / "infra" / "images"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
#: What a start needs beside the image: the first file of a shop, and how to wait for a server.
SHOP = """name = "tiny"
time_zone = "UTC"
currency = "EUR"
[sources.purchases]
location = "{home}/raw"
files = "*.csv"
format = "csv"
[sources.purchases.columns]
customer_id = "customer"
event_at = { column = "at", format = "yyyy-MM-dd HH:mm:ss" }
amount = "amount"
"""
RAW = "customer,at,amount\nanna,2024-01-01 10:00:00,1.50\nben,2024-01-02 11:00:00,2.50\n"
CLEAN = f"""set -e
mkdir -p /var/churn/raw && printf %s {shlex.quote(RAW)} > /var/churn/raw/first.csv
printf %s {shlex.quote(SHOP)} > /var/churn/shop.toml
export CHURN_WAREHOUSE_URL=embedded SPARK_LOCAL_IP=127.0.0.1
python -m infra.local.warehouse start
python -m spark_jobs.warehouse prepare --shop /var/churn/shop.toml
python -m spark_jobs.clean --shop /var/churn/shop.toml --as-of 2024-01-02
python -m infra.local.warehouse stop"""
API = """set -e
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:////var/churn/airflow.db
export CHURN_SHOPS=/opt/churn/infra/demo/cdnow/shop.toml
airflow db migrate > /tmp/migrate.log 2>&1 || { tail -5 /tmp/migrate.log; exit 1; }
airflow dags list-import-errors
airflow api-server --host 127.0.0.1 --port 18097 --workers 1 > /tmp/api.log 2>&1 &
for second in $(seq 90); do
  python -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:18097/api/v2/version', timeout=5).read())" \
    2>/dev/null && exit 0
  sleep 1
done; tail -5 /tmp/api.log; exit 1"""
#: What is started of each image, beside its own health check and command.
STARTS = {
    "jobs": {"cleans a first file": CLEAN},
    "airflow": {"serves its API": API},
    "training-gpu": {"checks its devices": "python -m training.device_check"},
}
#: Health checks that need a server which is not up here.
SERVED = {"airflow"}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", choices=list(STARTS), help="in this order: airflow needs jobs")
    parser.add_argument("--built", action="store_true", help="start only: the images were built by an earlier call")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/churn-roots"), help="where the roots are made")
    arguments = parser.parse_args(argv)
    for tool in ("mmdebstrap", "unshare", "git"):
        if shutil.which(tool) is None:
            raise ChurnError(f"{tool} is missing: install it, e.g. apt-get install {tool}")
    for image in arguments.images:
        folder = arguments.folder.resolve()
        stage = read_built(image, folder) if arguments.built else build(image, folder)
        for what, words in list_starts(image, stage):
            begin = time.monotonic()
            start(stage, words)
            print(f"{image}: {what}: passed in {time.monotonic() - begin:.0f} s", flush=True)


def build(image: str, folder: Path) -> Stage:
    """The last stage of the image's Dockerfile, built below the folder."""
    stages: dict[str, Stage] = {}
    arguments = {"COMMIT": read_commit()}
    stage: Stage | None = None
    for word, rest in read_steps((IMAGES / image / "Dockerfile").read_text()):
        if word == "ARG":
            name, _, default = rest.partition("=")
            arguments.setdefault(name, default)
            continue
        rest = expand(rest, arguments, stage)
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            stage = begin_stage(image, source, name, folder)
            stages[name] = stage
        elif stage is not None:
            print(f"{image}: {word} {rest}"[:118], flush=True)
            follow(stage, word, rest, stages, folder)
    if stage is None:
        raise ChurnError(f"the Dockerfile of {image} has no stage")
    return stage


def begin_stage(image: str, source: str, name: str, folder: Path) -> Stage:
    root = folder / image / name
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    if "astral-sh/uv" in source:
        uv = find_uv()
        if uv is None:
            raise ChurnError("no uv: run make setup")
        root.mkdir()
        shutil.copy(uv, root / "uv")
        return Stage(root)
    if source.startswith("churn/"):
        made = read_built(source.removeprefix("churn/").partition(":")[0], folder)
        copy(made.root, root, "--link")
        return replace(made, root=root)
    copy(make_base(folder), root)
    return Stage(root)


def read_built(image: str, folder: Path) -> Stage:
    """The settings of an image that was built before. Raises ChurnError if it was not."""
    stage: Stage | None = None
    arguments = {"COMMIT": read_commit()}
    for word, rest in read_steps((IMAGES / image / "Dockerfile").read_text()):
        if word == "FROM":
            stage = Stage(folder / image / rest.partition(" AS ")[2])
        elif stage is not None and word not in ("RUN", "COPY", "ARG"):
            follow(stage, word, expand(rest, arguments, stage), {}, folder)
    if stage is None or not stage.root.exists():
        raise ChurnError(f"{image} is not built yet: name it before the image that needs it")
    return stage


def make_base(folder: Path) -> Path:
    """A minimal Debian with Python, made once."""
    base = folder / "base"
    if not (base / "usr/bin/python3").exists():
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates",
                        SUITE, base, MIRROR], check=True)  # fmt: skip
    return base


def list_starts(image: str, stage: Stage) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What to start: the image's own command and health check, and what else it is for."""
    yield "its command", (*stage.entrypoint, *stage.command)
    if image not in SERVED:
        yield "its health check", stage.health
    for what, script in STARTS[image].items():
        yield what, (*stage.entrypoint, "bash", "-c", script)


def read_commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(run_command(main))
