"""`churn erase`: what is stored about one customer, and its removal."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from infra.cli.backups import no_runs
from infra.cli.closing import Closing, name_shop
from infra.cli.opening import open_warehouse
from infra.cli.running import Output, run_job
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop


def erase_customer(customer: str, is_sure: bool, given: str | None, output: Output) -> None:
    settings = read_settings()
    shop = find_shop(given, settings)
    open_warehouse(settings, shop)
    with no_runs(settings), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "result.json")
        run_job("spark_jobs.erase", "--shop", shop.path.resolve(), "--result", file, *(["--yes"] if is_sure else []),
                "--", customer, output=output, shop=shop)  # fmt: skip
        result = json.loads(file.read_text())
    close_erasure(shop, settings, customer, is_sure, result, output)


def close_erasure(
    shop: Shop, settings: Settings, customer: str, is_sure: bool, result: dict, output: Output
) -> None:  # fmt: skip
    """result: what spark_jobs.erase wrote."""
    total = sum(result["counts"].values())
    merged = f", {result['ids']} merged ids" if result["ids"] > 1 else ""
    closing = Closing()
    if not total:
        closing.add("erase", f"{shop.name}: already erased, nothing is left")
    elif is_sure:
        closing.add("erase", f"{shop.name}: {total:,} rows and files are gone{merged}")
    else:
        closing.add("erase", f"{shop.name}: {total:,} rows would go{merged}; nothing was changed")
    closing.data |= {"shop": shop.name, "is_erased": is_sure, "counts": result["counts"]}
    places = sorted({source.folder(settings.home) for source in shop.sources.values()})
    closing.add("remains", f"raw files in {', '.join(places)}: yours to mend, new records are dropped at cleaning")
    closing.add("", "backups; what models learned: infra/docs/howto/erase.md")
    if total and not is_sure:
        closing.add("next", f"churn erase {customer} {name_shop(shop)} --yes")
    closing.show(output)
