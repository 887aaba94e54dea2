"""Writes the backtest tables of infra/docs/results.md and README.md, and the pages of the demo shops, from the results
of their backtests.

make backtest SHOP=infra/demo/cdnow/shop.toml        # and the other shops; each writes CHURN_HOME/backtest/<shop>
python -m infra.bench.backtests
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from infra.bench.ablation_results import known_truth
from infra.demo.simulated.simulate import SHOP as SIMULATED
from infra.local.environment import ROOT
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.runtime.command import run_command
from training.reporting.markdown import write_table

SHOPS = ("online_retail", "cdnow", "complete_journey", SIMULATED)
RESULT = "backtest.json"
MARKED = re.compile(r"(<!-- backtest -->\n).*?(<!-- /backtest -->)", re.DOTALL)
RESULTS = ROOT / "infra" / "docs" / "results.md"
#: Columns of the first table that need no explanation.
SHORT = (0, 3, 4, 6, 7, 8)
HEADER = """\
# Backtest of {title}

Made by `make backtest SHOP=infra/demo/{name}/shop.toml CUTOFFS={days}`. A task is a cut-off and a
horizon. Intervals are bootstrap intervals over customers. `promoted` is the model that would have scored.

"""


@dataclass(frozen=True)
class Backtest:
    name: str
    title: str
    summary: dict
    table: str
    ways: dict[str, dict[str, float]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    home = Settings.from_environment().home
    backtests = [read_backtest(home, name) for name in SHOPS if (home / "backtest" / name / RESULT).exists()]
    if missing := sorted(set(SHOPS) - {backtest.name for backtest in backtests}):
        print("left out, because they have no backtest: " + ", ".join(missing))
    if not backtests:
        raise MissingInputError(f"no backtest below {home}: run make backtest SHOP=infra/demo/{SHOPS[0]}/shop.toml")
    for backtest in backtests:
        path = ROOT / "infra" / "docs" / f"backtest_{backtest.name}.md"
        days = ",".join(backtest.summary["promoted"])
        path.write_text(HEADER.format(title=backtest.title, name=backtest.name, days=days) + backtest.table)
    text = write_tables(backtests) + write_skill(backtests)
    for page, marked in ((RESULTS, text), (ROOT / "README.md", write_short_table(backtests))):
        before, after = MARKED.sub("\\1\0\\2", page.read_text()).split("\0")
        page.write_text(f"{before}{marked}{after}")
    print(text)


def read_backtest(home: Path, name: str) -> Backtest:
    folder, shop = home / "backtest" / name, load_shop(ROOT / "infra" / "demo" / name / "shop.toml")
    summary = json.loads((folder / RESULT).read_text())["summary"]
    ways = folder / "calibration.json"
    known = json.loads(ways.read_text()) if ways.exists() else {}
    return Backtest(name, shop.title, summary, (folder / "backtest.md").read_text(), known)


def write_tables(backtests: Sequence[Backtest]) -> str:
    """Tables by shop: the promoted kinds; the mean rank of every method; the promoted's gain in AUROC over it."""
    methods = [row["method"] for row in backtests[0].summary["methods"]]
    titles = [backtest.title for backtest in backtests]
    links = ", ".join(f"[{backtest.title}](backtest_{backtest.name}.md)" for backtest in backtests)
    ranks = [["method, mean rank", *titles, "all tasks"], _write_ranks("promoted", backtests, lambda s: s["mean_rank"])]
    ranks += [_write_ranks(m, backtests, partial(_mean_rank, method=m)) for m in methods]
    gains = [["AUROC, promoted − method", *titles]]
    gains += [[method, *(_write_gain(_row(backtest.summary, method)) for backtest in backtests)] for method in methods]
    parts = [_write_table([_PROMOTED_HEADING, *map(_write_promoted, backtests)]), _write_table(ranks)]
    parts += [_write_table(gains), *_write_ways([backtest for backtest in backtests if backtest.ways])]
    return "\n".join([*parts, f"Every task and method: {links}.\n"])


def write_short_table(backtests: Sequence[Backtest]) -> str:
    """The README's: of the first table the columns that need no explanation."""
    rows = [_PROMOTED_HEADING, *map(_write_promoted, backtests)]
    return _write_table([[row[place] for place in SHORT] for row in rows])


def write_skill(backtests: Sequence[Backtest]) -> str:
    """A sentence about the promoted's skill relative to the oracle; empty without the simulated shop."""
    found = [backtest.summary for backtest in backtests if backtest.name == SIMULATED]
    if not found:
        return ""
    auroc, cutoffs = found[0]["auroc"], [date.fromisoformat(text) for text in found[0]["promoted"]]
    oracle = float(np.mean(list(known_truth(Settings.from_environment().home, cutoffs).values())))
    return (
        f"\nThe simulated shop's truth is known: an oracle has an AUROC of {oracle:.3f}, the promoted {auroc:.3f}, "
        f"so its skill, (AUROC − .5) over the oracle's, is {(auroc - 0.5) / (oracle - 0.5):.2f}.\n"
    )


_PROMOTED_HEADING = [
    "shop", "tasks", "promoted at the cut-offs", "AUROC", "log loss", "least by rescaling", "expected − actual churn",
    "calibrated", "significantly better / worse",
]  # fmt: skip


def _write_promoted(backtest: Backtest) -> list[str]:
    summary = backtest.summary
    better, worse = (sum(row[key] for row in summary["methods"]) for key in ("better_tasks", "worse_tasks"))
    pairs = summary["tasks"] * (len(summary["methods"]) - 1)
    return [
        backtest.title, str(summary["tasks"]), _write_promoted_kinds(summary["promoted"].values()),
        f"{summary['auroc']:.3f}", f"{summary['log_loss']:.4f}", f"{summary['bound']:.4f}", f"{summary['bias']:+.3f}",
        f"{summary['calibrated_tasks']} of {summary['tasks']}", f"{better} / {worse} of {pairs}",
    ]  # fmt: skip


def _write_promoted_kinds(kinds: Iterable[str]) -> str:
    """How often each was promoted, the most frequent first."""
    return ", ".join(f"{count} × {kind}" for kind, count in Counter(kinds).most_common())


def _write_ways(backtests: Sequence[Backtest]) -> list[str]:
    """The table of calibration methods, for the shops where they were measured."""
    if not backtests:
        return []
    heading = [f"{backtest.title}, {backtest.ways['none']['cut-offs']} days" for backtest in backtests]
    lines = [
        [way, *(f"{backtest.ways[way]['log loss']:.4f}, {backtest.ways[way]['|bias|']:.3f}" for backtest in backtests)]
        for way in backtests[0].ways
    ]
    return [_write_table([["calibration: log loss, miss of the churn rate", *heading], *lines])]


def _row(summary: dict, method: str) -> dict:
    return next(row for row in summary["methods"] if row["method"] == method)


def _mean_rank(summary: dict, method: str) -> float:
    return _row(summary, method)["mean_rank"]


def _write_ranks(name: str, backtests: Sequence[Backtest], read: Callable[[dict], float]) -> list[str]:
    found = [read(backtest.summary) for backtest in backtests]
    mean = np.average(found, weights=[backtest.summary["tasks"] for backtest in backtests])
    return [name, *(f"{rank:.2f}" for rank in found), f"{mean:.2f}"]


def _write_gain(row: dict) -> str:
    low, high = row["auroc_interval"]
    return f"{row['auroc_difference']:+.4f} ({low:+.4f} to {high:+.4f})"


def _write_table(lines: list[list[str]]) -> str:
    return "".join(f"{line}\n" for line in write_table(lines))


if __name__ == "__main__":
    sys.exit(run_command(main))
