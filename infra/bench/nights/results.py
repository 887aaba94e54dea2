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

from infra.bench.nights.runs import AIRFLOW, PEERS, SHARED, Run, Step
from spark_jobs.contract.settings import CLASSIC, CONNECT, ENGINES, SAIL

matplotlib.use("Agg")

HALF = ", half the history"
CASES = ("first load", "night", "night with nothing to do")
COLORS = {CLASSIC: "#7a7a7a", CONNECT: "#1f5fa8", SAIL: "#2e9e6b", "duckdb": "#e0a100", "polars": "#b03060"}
NAMES = {CLASSIC: "Spark anew", CONNECT: "Spark", SAIL: "Sail", "duckdb": "DuckDB", "polars": "Polars"}
#: What the tables of ratios name beside single steps.
WHOLE_RUN, ETL = "whole run", "its ETL"
#: What cost less is not worth a row.
LEAST_SECONDS = 0.05
HEAD = """# What a night costs

Written by `make bench` on {cores} cores of {machine}, with a load average of {load:.0f} at the end. If the load
average is above the number of cores, other processes compete for the caches and raise the CPU seconds: then trust
the ratios only. CPU seconds are the sum over all processes.

The shop is the simulated one, with three logs, 361 days and planted faults. The product runs through its DAGs, with
Airflow and PostgreSQL, on each [engine](explanation/engines.md); every run starts its engine anew. Its ETL is compared
with scripts in DuckDB and Polars that do the same work (`infra/bench/nights/`): they parse, check, drop duplicates and
bots, aggregate customer-days and build the arrays per customer. The command checks that all engines make the same rows
of every table of the ETL, and the scripts the same `customer_day` and `customer_series`.

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
    """Finds runs. engines: of the product; peers: what else did the same work."""

    def __init__(self, runs: Sequence[Run]):
        self.all = runs
        self.sizes = sorted({run.customers for run in runs})
        self.engines, self.peers = (
            [name for name in names if any(run.engine == name for run in runs)] for names in (ENGINES, PEERS)
        )

    def find(self, customers: int, engine: str, case: str) -> Run | None:
        found = (run for run in self.all if (run.customers, run.engine, run.case) == (customers, engine, case))
        return next(found, None)

    def list_cases(self, customers: int, engines: Sequence[str]) -> list[str]:
        """What these engines ran of the whole history."""
        ran = (run.case for run in self.all if run.customers == customers and run.engine in engines)
        return list(dict.fromkeys(case for case in ran if not case.endswith(HALF)))

    def list_steps(self, engines: Sequence[str], case: str, *sizes: int) -> list[str]:
        """The steps of all these engines, in the first one's order."""
        runs = (self.find(size, engine, case) for size in sizes for engine in engines)
        return list(dict.fromkeys(name for run in runs if run for name in run.steps))

    def list_parts(self, engines: Sequence[str], case: str, *sizes: int) -> list[str]:
        """Of what the tables of ratios speak. A peer's steps are not the product's."""
        ours = [engine for engine in engines if engine not in PEERS]
        steps = [name for name in self.list_steps(ours, case, *sizes) if name not in (AIRFLOW, SHARED)]
        return [*([WHOLE_RUN] if ours else []), ETL, *steps]

    def find_cost(self, customers: int, engine: str, case: str, part: str) -> float | None:
        """The CPU seconds of a part, if it was measured and cost anything."""
        run = self.find(customers, engine, case)
        if run is None or (engine in PEERS and part != ETL):
            return None
        prefix = {WHOLE_RUN: "", ETL: "" if engine in PEERS else "etl."}.get(part, part)
        return found if (found := run.sum_cpu(prefix)) >= LEAST_SECONDS else None


def make_sections(runs: Runs) -> Iterator[str]:
    every = [*runs.engines, *runs.peers]
    yield "## Beside other engines\n"
    yield "CPU seconds of the whole run and of its ETL."
    ours = [f"{NAMES[engine]}: whole run | its ETL | × DuckDB" for engine in runs.engines]
    yield from table("customers", "run", *ours, *(NAMES[peer] for peer in runs.peers), "floor", rows=compare(runs))
    yield "\n![CPU seconds of the ETL by customers](bench.svg)\n"
    yield "## By step"
    for group in filter(None, (runs.engines, runs.peers)):
        heads = [f"{NAMES[engine]}: CPU s | s | peak MB" for engine in group]
        yield from table("customers", "run", "step", *heads, rows=list_steps(runs, group))
    yield "\n## Twice the history\n"
    yield "As many customers and events a night, with 181 days of history and with 361."
    for group in filter(None, (runs.engines, runs.peers)):
        heads = [f"{NAMES[engine]}: half | whole | times" for engine in group]
        yield from table("customers", "run", "step", *heads, rows=compare_history(runs, group))
    if len(runs.sizes) > 1:
        yield "\n## With the number of customers\n"
        yield "CPU seconds grow with the customers to this power, between the sizes above (1: in proportion)."
        yield from table("run", "step", *(NAMES[engine] for engine in every), rows=fit_exponents(runs, every))


def table(*heads: str, rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown, after an empty line. A head may be of several columns."""
    head = " | ".join(heads)
    yield f"\n| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def show(number: float | None, form: str = ".1f") -> str:
    return format(number, form) if number else ""


def compare(runs: Runs) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for case in CASES:
            cells, floors = list[str](), [0.0]
            theirs = {peer: runs.find_cost(size, peer, case, ETL) for peer in runs.peers}
            for engine in runs.engines:
                ours, base = runs.find_cost(size, engine, case, ETL), theirs.get("duckdb")
                cells += [show(runs.find_cost(size, engine, case, WHOLE_RUN)), show(ours)]
                cells.append(show(ours / base if ours and base else None))
                if run := runs.find(size, engine, case):
                    floors.append(run.floor_seconds)
            if any(cells):
                yield f"{size:,}", case, *cells, *map(show, theirs.values()), show(max(floors), ".2f")


def list_steps(runs: Runs, engines: Sequence[str]) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for case in runs.list_cases(size, engines):
            found = [runs.find(size, engine, case) for engine in engines]
            for name in runs.list_steps(engines, case, size):
                steps = [run.steps.get(name) if run else None for run in found]
                if any(step and step.cpu_seconds >= LEAST_SECONDS for step in steps):
                    yield f"{size:,}", case, name, *(cell for step in steps for cell in show_step(step))
            sums = [Step(run.sum_cpu(), run.seconds, run.peak_bytes) if run else None for run in found]
            yield f"{size:,}", case, "**all**", *(cell for step in sums for cell in show_step(step))


def show_step(step: Step | None) -> Sequence[str]:
    if step is None:
        return "", "", ""
    return show(step.cpu_seconds), show(step.seconds), show(step.peak_bytes / 1e6, ",.0f")


def compare_history(runs: Runs, engines: Sequence[str]) -> Iterator[Sequence[str]]:
    for size in runs.sizes:
        for case in CASES[:2]:
            for part in runs.list_parts(engines, case, size):
                cells, is_measured = list[str](), False
                for engine in engines:
                    half = runs.find_cost(size, engine, case + HALF, part)
                    whole = runs.find_cost(size, engine, case, part)
                    times = whole / half if whole and half else None
                    cells += [show(half), show(whole), show(times, ".2f")]
                    is_measured |= times is not None
                if is_measured:
                    yield f"{size:,}", case, part, *cells


def fit_exponents(runs: Runs, engines: Sequence[str]) -> Iterator[Sequence[str]]:
    for case in CASES:
        for part in runs.list_parts(engines, case, *runs.sizes):
            cells = list[str]()
            for engine in engines:
                costs = {size: runs.find_cost(size, engine, case, part) for size in runs.sizes}
                spent = {size: cost for size, cost in costs.items() if cost}
                cells.append(f"{fit_exponent(spent):.2f}" if len(spent) > 1 else "")
            if any(cells):
                yield case, part, *cells


def fit_exponent(seconds: dict[int, float]) -> float:
    """The slope of log seconds over log size, by least squares."""
    return float(np.polyfit(np.log([*seconds]), np.log([*seconds.values()]), 1)[0])


def draw(runs: Runs, picture: Path) -> None:
    """The ETL's CPU seconds over the customers, for the first load and the night."""
    from matplotlib import pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "bench"
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for panel, case in zip(panels, CASES[:2], strict=True):
        for engine in (*runs.engines, *runs.peers):
            costs = {size: runs.find_cost(size, engine, case, ETL) for size in runs.sizes}
            spent = {size: cost for size, cost in costs.items() if cost}
            panel.plot([*spent], [*spent.values()], "o-", color=COLORS[engine], label=NAMES[engine])
        measured = [run for run in runs.all if run.case == case and run.floor_seconds]
        floors = {run.customers: run.floor_seconds for run in measured}
        panel.plot([*floors], [*floors.values()], "o:", color="#888888", label="floor")
        panel.set(title=f"ETL, {case}", xlabel="customers", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("CPU seconds")
    panels[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)
