"""The results of `make bench` as JSON, as a page of tables, and as a picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib
import numpy as np

from infra.bench.nights.runs import AIRFLOW, PEERS, POSTGRES, PRODUCT, Run

matplotlib.use("Agg")

HALF = ", half the history"
CASES = ("first load", "night", "night with nothing to do")
COLORS = {"product": "#1f5fa8", "duckdb": "#e0a100", "polars": "#b03060"}
NAMES = {"product": "product", "duckdb": "DuckDB", "polars": "Polars"}
HEAD = """# What a night costs

Written by `make bench` on {cores} cores of {machine}, with a load average of {load:.0f} at the end. If the load
average is above the number of cores, other processes compete for the caches and raise the CPU seconds: then trust
the ratios only. CPU seconds are the sum over all processes.

The shop is the simulated one, with three logs, 361 days and planted faults. The product runs through its DAGs, with
Airflow and PostgreSQL. Its ETL is compared with scripts in DuckDB and Polars that do the same work
(`infra/bench/nights/`): they parse, check, drop duplicates and bots, aggregate customer-days and build the arrays
per customer. Every run checks that `customer_day` and `customer_series` have equal content.

Only the product also keeps the reason of every rejected record and an account of every file, replaces customer ids
by keyed hashes, publishes atomically so that any past night can be read or rebuilt, and accepts deliveries in any
order.

*Floor*: the CPU seconds to unpack the run's raw files once and to copy the bytes of `customer_day` and of the day's
`customer_series` once, at this machine's measured rates.
"""


def write_results(folder: Path, runs: Sequence[Run]) -> list[Path]:
    """bench.json with everything; returns the files for the documentation, bench.md and bench.svg."""
    (folder / "bench.json").write_text(json.dumps({"cores": os.cpu_count(), "runs": [*map(asdict, runs)]}, indent=1))
    page, picture = folder / "bench.md", folder / "bench.svg"
    head = HEAD.format(cores=os.cpu_count(), machine=platform.machine(), load=os.getloadavg()[0])
    page.write_text("\n".join([head, *make_sections(Runs(runs))]))
    draw(Runs(runs), picture)
    return [page, picture]


class Runs:
    """Finds runs."""

    def __init__(self, runs: Sequence[Run]):
        self.all = runs
        self.sizes = sorted({run.customers for run in runs})

    def find(self, customers: int, engine: str, case: str) -> Run | None:
        found = (run for run in self.all if (run.customers, run.engine, run.case) == (customers, engine, case))
        return next(found, None)

    def find_etl(self, customers: int, engine: str, case: str) -> float | None:
        """The CPU seconds of the work that all engines do."""
        run = self.find(customers, engine, case)
        return run.sum_cpu(*(["etl."] if engine == PRODUCT else [])) if run else None


def make_sections(runs: Runs) -> Iterator[str]:
    yield "## Beside other engines\n"
    names = [f"{NAMES[peer]} | times" for peer in PEERS]
    yield from table("customers | run | whole run | its ETL | " + " | ".join(names) + " | floor", compare(runs))
    yield "\n![CPU seconds of the ETL by customers](bench.svg)\n"
    yield "## By step\n"
    yield from table("customers | run | step | CPU s | s | peak MB", list_steps(runs))
    yield "\n## Twice the history\n"
    yield "As many customers and events a night, with 181 days of history and with 361.\n"
    yield from table("customers | run | engine or step | half | whole | times", compare_history(runs))
    if len(runs.sizes) > 1:
        yield "\n## With the number of customers\n"
        yield "CPU seconds grow with the customers to this power, between the sizes above (1: in proportion).\n"
        yield from table("run | engine or step | exponent", fit_exponents(runs))


def table(head: str, rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def compare(runs: Runs) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for case in CASES:
            if run := runs.find(size, PRODUCT, case):
                ours = run.sum_cpu("etl.")
                cells = []
                for peer in PEERS:
                    theirs = runs.find_etl(size, peer, case)
                    cells += [f"{theirs:.1f}", f"{ours / theirs:.1f}"] if theirs else ["", ""]
                floor = f"{run.floor_seconds:.2f}" if run.floor_seconds else ""
                yield f"{size:,}", case, f"{run.sum_cpu():.1f}", f"{ours:.1f}", *cells, floor


def list_steps(runs: Runs) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for run in runs.all:
            if run.customers == size and not run.case.endswith(HALF):
                case = run.case if run.engine == PRODUCT else f"{run.case}, {NAMES[run.engine]}"
                for name, step in run.steps.items():
                    if step.cpu_seconds >= 0.05:
                        yield (f"{size:,}", case, name, f"{step.cpu_seconds:.1f}", f"{step.seconds:.1f}" if step.seconds
                               else "", f"{step.peak_bytes / 1e6:,.0f}" if step.peak_bytes else "")  # fmt: skip
                yield (
                    f"{size:,}",
                    case,
                    "**all**",
                    f"{run.sum_cpu():.1f}",
                    f"{run.seconds:.1f}",
                    f"{run.peak_bytes / 1e6:,.0f}",
                )


def compare_history(runs: Runs) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for case in CASES[:2]:
            for engine in (PRODUCT, *PEERS):
                half, whole = runs.find(size, engine, case + HALF), runs.find(size, engine, case)
                if half and whole:
                    for name, prefix in list_parts(engine, whole):
                        before, after = half.sum_cpu(*prefix), whole.sum_cpu(*prefix)
                        if after >= 0.05 and before:
                            yield f"{size:,}", case, name, f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}"


def list_parts(engine: str, run: Run) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of what the tables of ratios speak: the name, and the prefixes of the steps."""
    if engine != PRODUCT:
        yield NAMES[engine], ()
        return
    yield "whole run", ()
    yield "its ETL", ("etl.",)
    for name in run.steps:
        if name not in (AIRFLOW, POSTGRES):
            yield name, (name,)


def fit_exponents(runs: Runs) -> Iterator[Sequence[str]]:
    largest = runs.sizes[-1]
    for case in CASES:
        for engine in (PRODUCT, *PEERS):
            if last := runs.find(largest, engine, case):
                for name, prefix in list_parts(engine, last):
                    spent = {
                        size: run.sum_cpu(*prefix) for size in runs.sizes if (run := runs.find(size, engine, case))
                    }
                    if len(spent) > 1 and min(spent.values()) >= 0.05:
                        yield case, name, f"{fit_exponent(spent):.2f}"


def fit_exponent(seconds: dict[int, float]) -> float:
    """The slope of log seconds over log size, by least squares."""
    return float(np.polyfit(np.log([*seconds]), np.log([*seconds.values()]), 1)[0])


def draw(runs: Runs, picture: Path) -> None:
    """The ETL's CPU seconds over the customers, for the first load and the night."""
    from matplotlib import pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "bench"
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for panel, case in zip(panels, CASES[:2], strict=True):
        for engine in (PRODUCT, *PEERS):
            spent = {size: found for size in runs.sizes if (found := runs.find_etl(size, engine, case))}
            panel.plot([*spent], [*spent.values()], "o-", color=COLORS[engine], label=NAMES[engine])
        floors = {size: run.floor_seconds for size in runs.sizes if (run := runs.find(size, PRODUCT, case))}
        panel.plot([*floors], [*floors.values()], "o:", color="#888888", label="floor")
        panel.set(title=f"ETL, {case}", xlabel="customers", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("CPU seconds")
    panels[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)
