"""How much memory do the processes of a night need when the shop is large?

    python -m infra.bench.driver [--customers 1000000] [--java-memory 1g] [--python-mb 1024] [--folder DIR]

Makes the purchases of so many customers: a first dump of sixteen files with one delivery day, then a file a day, the
last with lines that were delivered before. Two nights are run, each step as the command that the DAGs run, with a JVM
of --java-memory; the second night judges the outcomes of the first. Linux only.

python MB   the largest resident memory of the step's Python process, which plans, audits, loads and reports
java MB     that of its JVM, which in local mode also runs Spark's tasks
worker MB   that of the largest of the tasks' Python workers
Exit code 1 if the Python process of a step exceeds --python-mb.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
from rich.console import Console
from rich.table import Table

from infra.bench.processes import list_below
from infra.local import warehouse
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord

if TYPE_CHECKING:
    from training.serving.bundle import Bundle

SHOP = """
name = "large"
time_zone = "UTC"
currency = "EUR"
merged_customers = "{folder}/merged.csv"
[churn]
horizons_days = [30]
eligible_within_days = 120
[model]
history_steps = 16
folds = 2
baseline_rows = 20000
[contact]
capacity_per_night = 10000
cost = 1.0
success_rate = 0.1
margin = 0.3
control_share = 0.1
[sources.purchases]
location = "{folder}/raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'
[sources.purchases.columns]
event_id = "line"
customer_id = "customer"
event_at = {{ column = "at", format = "yyyy-MM-dd HH:mm:ss" }}
product_id = "product"
category = "category"
quantity = "quantity"
unit_price = "price"
"""
FIRST_DAY = date(2024, 1, 1)
DUMP_DAYS, DAYS, DUMP_FILES = 60, 122, 16
#: The files of the dump are late, so a label counts as closed a month after its window: the second night is due then.
NIGHTS = FIRST_DAY + timedelta(DUMP_DAYS - 1), FIRST_DAY + timedelta(DAYS - 1)
MERGED_SHARE = 20  # one customer in so many was merged into the next one
SAMPLE = 3000  # customers that the model learns from
SAMPLE_SECONDS = 0.1
ETL = {
    "clean": ["spark_jobs.clean"], "customer_day": ["spark_jobs.customer_day"],
    "customer_series": ["spark_jobs.customer_series"], "publish etl": ["spark_jobs.publish", "--pipeline", "etl"],
}  # fmt: skip
SCORE = {
    "churn_risk": ["spark_jobs.churn_risk"], "drift": ["training.drift"],
    "publish score": ["spark_jobs.publish", "--pipeline", "score"], "load": ["spark_jobs.warehouse", "load"],
    "contact_plan": ["spark_jobs.contact_plan"], "expected_sales": ["training.expected_sales"],
    "report": ["spark_jobs.night_report"], "outcomes": ["training.outcomes"],
}  # fmt: skip


@dataclass(frozen=True)
class Peak:
    """A step's seconds, and the most resident bytes of its processes."""

    night: date
    step: str
    seconds: float
    python: int
    java: int
    worker: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--java-memory", default="1g", metavar="SIZE", help="the JVM's heap, as SPARK_DRIVER_MEMORY")
    parser.add_argument("--python-mb", type=int, default=1024, metavar="MB", help="most memory of a Python process")
    parser.add_argument("--folder", type=Path, help="keeps files, lake and warehouse; by default a temporary one")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        peaks = [*measure(arguments.folder or Path(name), arguments.customers, arguments.java_memory)]
    Console(highlight=False).print(make_table(peaks, arguments.customers))
    if large := [f"{peak.step} {peak.python >> 20:,} MB" for peak in peaks if peak.python >> 20 > arguments.python_mb]:
        raise ChurnError(f"more than {arguments.python_mb:,} MB of a Python process: {', '.join(large)}")


def measure(folder: Path, customers: int, java_memory: str) -> Iterator[Peak]:
    """Runs both nights in this folder, which is empty or holds what an earlier run left."""
    folder = folder.resolve()
    if not (folder / "shop.toml").exists():
        write_files(folder, customers)
    settings = Settings(folder / "home", warehouse_url=EMBEDDED)
    os.environ |= {"CHURN_HOME": str(settings.home), "CHURN_WAREHOUSE_URL": EMBEDDED, "CHURN_ENGINE": "classic",
                   "SPARK_DRIVER_MEMORY": java_memory}  # fmt: skip
    environment, shop = make_environment([folder / "shop.toml"]), load_shop(folder / "shop.toml")
    warehouse.start(settings)
    try:
        connect(settings).prepare(shop)
        for night in NIGHTS:
            yield from (run_step(night, name, words, shop, environment) for name, words in ETL.items())
            if night == NIGHTS[0]:
                make_model(settings, shop, night)
            yield from (run_step(night, name, words, shop, environment) for name, words in SCORE.items())
    finally:
        EmbeddedPostgres(settings.home).stop()


def write_files(folder: Path, customers: int) -> None:
    """Two purchases of each customer, as a first dump and a file for each later day."""
    (folder / "raw").mkdir(parents=True)
    chance = np.random.default_rng(7)
    first = chance.integers(0, DUMP_DAYS, customers)
    day = np.concatenate([first, chance.integers(first, DAYS)])
    customer = np.concatenate([np.arange(customers), np.arange(customers)])
    part = np.where(day < DUMP_DAYS, np.arange(len(day)) % DUMP_FILES, DUMP_FILES + day)
    order = np.argsort(part, kind="stable")
    starts = np.searchsorted(part[order], np.unique(part))
    for rows in np.split(order, starts[1:]):
        number = int(part[rows[0]]) - DUMP_FILES
        name = f"{FIRST_DAY + timedelta(number)}" if number >= 0 else f"{NIGHTS[0]}_{number + DUMP_FILES:02}"
        repeated = order[: customers // 50] if number == DAYS - 1 else order[:0]
        _write_lines(folder / "raw" / f"{name}.csv", np.concatenate([rows, repeated]), customer, day)
    merged = (f"c{number:09},c{number + 1:09},{FIRST_DAY}\n" for number in range(0, customers - 1, MERGED_SHARE))
    (folder / "merged.csv").write_text("customer_id,merged_into,since\n" + "".join(merged))
    (folder / "shop.toml").write_text(SHOP.format(folder=folder))


def _write_lines(file: Path, rows: np.ndarray, customer: np.ndarray, day: np.ndarray) -> None:
    """rows: places in customer and day."""
    seconds = 86400 * ((FIRST_DAY - date(1970, 1, 1)).days + day[rows]) + rows * 7 % 80_000
    instants = np.datetime_as_string(seconds.astype("datetime64[s]"))
    columns = {
        "line": [f"line-{row}" for row in rows],
        "customer": [f"c{number:09}" for number in customer[rows]],
        "at": np.char.replace(instants, "T", " "),
        "product": [f"p{row % 3000}" for row in rows],
        "category": [f"k{row % 40}" for row in rows],
        "quantity": 1 + rows % 3,
        "price": [f"{1 + row % 97}.{row % 90 + 10}" for row in rows],
    }
    pa.csv.write_csv(pa.table(columns), file)


def make_model(settings: Settings, shop: Shop, as_of: date) -> None:
    """Trains a small model on a sample of the night's customers, and lets it score from that night on."""
    from training.config import ModelSettings
    from training.selection.fit import fit_candidates
    from training.selection.spend import fit_spend
    from training.serving.bundle import write_bundle
    from training.tensors.series import Series
    from training.train import Training, prepare_reasons

    sample = Lake(settings.lake(shop.name)).dataset(CUSTOMER_SERIES, [as_of.isoformat()]).head(SAMPLE)
    series, chosen = Series(sample, as_of), ModelSettings.from_shop(shop)
    [candidate] = fit_candidates(series, as_of, shop, chosen, ("recency",)).values()
    candidate = prepare_reasons(candidate, Training(shop, as_of, chosen, series, "bench"))
    spend = fit_spend(series, as_of, shop, candidate.spec)
    bundle = write_bundle(settings.models(shop.name), shop.name, as_of, candidate, chosen, {}, "bench", spend)
    connect(settings).register_model(shop, _make_record(bundle, as_of))
    connect(settings).promote_model(shop, bundle.version, as_of)


def _make_record(bundle: Bundle, as_of: date) -> ModelRecord:
    return ModelRecord(bundle.version, "recency", str(bundle.folder), bundle.hash, as_of, True, {},
                       datetime.now(UTC))  # fmt: skip


def run_step(night: date, step: str, words: Sequence[str], shop: Shop, environment: Mapping[str, str]) -> Peak:
    """Raises ChurnError with the end of the step's output if it fails."""
    module, *options = words
    command = [str(JOBS_PYTHON), "-m", module, *options, "--shop", str(shop.path), "--as-of", str(night)]
    begin, peaks = time.monotonic(), dict.fromkeys(("python", "java", "worker"), 0)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            for kind, size in list_memory(process.pid):
                peaks[kind] = max(peaks[kind], size)
            time.sleep(SAMPLE_SECONDS)
        output.seek(0)
        text = output.read().decode(errors="replace")
    print(f"{night} {step}: {time.monotonic() - begin:.0f} s, {peaks}\n{text}", file=sys.stderr)
    if process.returncode:
        raise ChurnError(f"{step} of {night} failed with exit code {process.returncode}: {text[-2000:]}")
    return Peak(night, step, time.monotonic() - begin, **peaks)


def list_memory(root: int) -> Iterator[tuple[str, int]]:
    """Pairs of kind and peak resident bytes so far, for the process and those below it."""
    for process in {root, *list_below(root)}:
        with suppress(OSError, KeyError):  # it has ended meanwhile
            fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
            kind = "python" if process == root else "java" if fields["Name"].strip() == "java" else "worker"
            yield kind, 1024 * int(fields["VmHWM"].split()[0])


def make_table(peaks: Sequence[Peak], customers: int) -> Table:
    table = Table(title=f"{customers:,} customers, {2 * customers:,} purchases")
    for name in ("night", "step", "s", "python MB", "java MB", "worker MB"):
        table.add_column(name, justify="left" if name in ("night", "step") else "right")
    for peak in peaks:
        sizes = (f"{size >> 20:,}" if size else "" for size in (peak.python, peak.java, peak.worker))
        table.add_row(str(peak.night), peak.step, f"{peak.seconds:.0f}", *sizes)
    return table


if __name__ == "__main__":
    sys.exit(run_command(main))
