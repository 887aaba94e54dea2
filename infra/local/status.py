"""Shows the state of a shop on one screen: is the newest night there and complete, is anything wrong?

Exit code 1 if something is wrong. Read-only: starts and changes nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rich.table import Table

from infra.cli.closing import Closing, name_first_model, name_shop
from infra.cli.models import find_waiting, list_models
from infra.cli.running import Output
from infra.local.airflow_runs import read_runs
from infra.local.environment import read_settings
from infra.local.run_dag import PIPELINES
from spark_jobs.cleaning.accounts import PARTS, sum_accounts
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake.backlog import list_waiting
from spark_jobs.lake.incomplete import list_incomplete
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import PublishedRun

MORNING_HOUR = 6  # from then on last night's scores should be there
ENDED_AFTER_DAYS = 30  # a shop that is so late may have no more files


@dataclass(frozen=True)
class Line:
    """One line of the screen. is_wrong: somebody should act on it."""

    topic: str
    text: str
    is_wrong: bool = False


def main(argv: Sequence[str] | None = None) -> None:
    _, shop = load_arguments(make_parser(__doc__, with_as_of=False), argv)
    check_status(shop, read_settings())


def check_status(shop: Shop, settings: Settings, as_json: bool = False) -> None:
    """Prints the screen. Raises ChurnError if something is wrong."""
    lines = list(describe_shop(shop, settings, datetime.now(shop.zone)))
    if as_json:
        print(json.dumps({"shop": shop.name, "lines": [vars(line) for line in lines]}))
    else:
        show(lines, shop)
    if wrong := [line.topic for line in lines if line.is_wrong]:
        raise ChurnError(f"{shop.name}: look at {', '.join(wrong)}")
    if not as_json:
        closing = Closing()
        closing.add("next", f"churn open {name_shop(shop)} shows the night's page")
        closing.show(Output())


def describe_shop(shop: Shop, settings: Settings, now: datetime) -> Iterator[Line]:
    """All lines of the screen."""
    lake = Lake(settings.lake(shop.name))
    warehouse = find_warehouse(settings)
    address = EMBEDDED if settings.warehouse_url == EMBEDDED else "yours, CHURN_WAREHOUSE_URL"
    yield Line(
        "warehouse", f"up ({address})" if warehouse else f"down: churn sql {name_shop(shop)} starts it", not warehouse
    )
    scored = [run.as_of for run in list_runs(lake, "score")]
    newest = max(scored, default=None)
    yield describe_newest(shop, newest, expected_day(shop, now))
    if warehouse:
        yield from describe_waiting(shop, warehouse)
    if newest and warehouse:
        visible = [run for run in warehouse.published(shop) if run.superseded_at is None]
        yield describe_completeness(
            shop, newest, visible, lake.dataset(CUSTOMER_SERIES, [newest.isoformat()]).count_rows()
        )
        yield describe_model(shop, warehouse, newest)
        yield describe_drift(shop, warehouse)
    yield from describe_records(shop, lake)
    yield from describe_files(shop, lake, expected_day(shop, now))
    yield from (Line("catching up", str(waiting)) for waiting in list_waiting(lake))
    yield from (Line("incomplete", sentence) for sentence in list_incomplete(lake))
    yield describe_failures(shop, settings)


def find_warehouse(settings: Settings) -> Warehouse | None:
    """The warehouse; None if it does not answer."""
    try:
        return connect(settings)
    except ChurnError:
        return None


def expected_day(shop: Shop, now: datetime) -> date:
    """The day whose scores should be there: yesterday, or the day before until MORNING_HOUR; at most the end date."""
    yesterday = now.date() - timedelta(days=1 if now.hour >= MORNING_HOUR else 2)
    return min(yesterday, shop.end_date) if shop.end_date else yesterday


def describe_newest(shop: Shop, newest: date | None, expected: date) -> Line:
    night = f"churn night {name_shop(shop)} --as-of {expected}"
    late_days = (expected - newest).days if newest else 0
    may_have_ended = not shop.end_date and (late_days > ENDED_AFTER_DAYS or not is_delivered_daily(shop))
    ended = "; if no more files come, set end_date in shop.toml to their last day" if may_have_ended else ""
    if newest is None:
        return Line("scores", f"none yet: {night}{ended}", True)
    if late_days <= 0:
        return Line("scores", f"as of {newest}, nothing is late")
    return Line("scores", f"as of {newest}, {late_days} days late: {night}{ended}", True)


def is_delivered_daily(shop: Shop) -> bool:
    """Whether the files that every night needs name their days, so that more of them are to come."""
    return shop.sources[shop.needed_log].delivery_day is not None


def describe_waiting(shop: Shop, warehouse: Warehouse) -> Iterator[Line]:
    """The model that waits for a person's approval, if there is one."""
    if waiting := find_waiting(list_models(warehouse, shop)):
        yield Line("approval", f"{waiting.kind} {waiting.version} waits: churn approve {name_shop(shop)}")


def describe_completeness(shop: Shop, newest: date, visible: Sequence[PublishedRun], eligible_count: int) -> Line:
    """Whether the warehouse shows the lake's newest day, with every eligible customer."""
    run = next((run for run in visible if run.as_of == newest), None)
    if run is None:
        return Line(
            "complete", f"{newest} is not in the warehouse: churn night {name_shop(shop)} --as-of {newest}", True
        )
    counts = f"{run.rows:,} of {eligible_count:,} eligible customers have scores"
    return Line("complete", counts + (", in hindsight" if run.is_hindsight else ""), run.rows != eligible_count)


def describe_model(shop: Shop, warehouse: Warehouse, as_of: date) -> Line:
    found = warehouse.model_for(shop, as_of)
    if found is None:
        return Line("model", f"none scores: {name_first_model(shop)}", True)
    model, _ = found
    description = f"{model.kind} {model.version}, trained up to {model.trained_through}, {model.gate_words}"
    learned = {name for name in model.metrics if name.endswith("d")}
    if learned and (new := [str(h) for h in shop.churn.horizons_days if f"{h}d" not in learned]):
        description += f"; has not learned {', '.join(new)} days, which have no scores: churn train {name_shop(shop)}"
    return Line("model", description)


def describe_drift(shop: Shop, warehouse: Warehouse) -> Line:
    """The newest drift findings that ask for an action."""
    found = warehouse.read(shop, "newest_drift").to_pylist()
    if not found:
        return Line("drift", "not checked yet: the next night does it")
    asking = [f"{row['action']}: {row['subject']}, {row['finding']}" for row in found if row["action"] != "ok"]
    text = f"as of {found[0]['as_of']}, {len(asking)} of {len(found)} checks ask for an action"
    is_grave = any(row["action"] in ("block", "retrain") for row in found)
    return Line("drift", "; ".join([text, *asking[:3]]), is_grave)


def describe_records(shop: Shop, lake: Lake) -> Iterator[Line]:
    """The accounts of all records so far, by log."""
    for log, source in shop.sources.items():
        accounts = lake.arrow(ACCOUNTS, [log])
        count = sum_accounts(accounts.to_pylist())
        own = count["lines_in"] - count["elsewhere"]
        share = count["quarantined"] / own if own else 0.0
        files = "1 file" if accounts.num_rows == 1 else f"{accounts.num_rows:,} files"
        text = (
            f"{files}, {own:,} records: {count['clean']:,} clean, {count['duplicates']:,} duplicates,"
            f" {count['quarantined']:,} quarantined"
            f" ({share:.1%}, at most {source.max_quarantined_share:.0%} are accepted)"
        )
        is_whole = count["lines_in"] == sum(count[part] for part in PARTS)
        yield Line(log, text, share > source.max_quarantined_share or not is_whole)


def describe_files(shop: Shop, lake: Lake, expected: date) -> Iterator[Line]:
    """The open days without a file. Only the required log is reported as late."""
    for log, source in shop.sources.items():
        days = {day for day in lake.arrow(DELIVERIES, [log])["delivery_day"].to_pylist() if day}
        if not source.delivery_day or not days:
            continue
        span = [min(days) + timedelta(days=n) for n in range((expected - min(days)).days + 1)]
        missing = [day for day in span if day not in days and not shop.is_closed(day)]
        is_late = log == shop.needed_log and missing and missing[-1] > max(days)
        if missing:
            text = f"days that are not closed and have no file: {len(missing):,}, the last {missing[-1]}"
            yield Line(f"{log} files", text, bool(is_late))


def describe_failures(shop: Shop, settings: Settings) -> Line:
    """The DAGs whose newest run failed, from Airflow's databases on this machine."""
    ours = {f"churn_{pipeline}__{shop.name}" for pipeline in PIPELINES}
    newest = {dag_id: (state, started) for started, dag_id, state in sorted(read_runs(settings)) if dag_id in ours}
    failed = [f"{dag_id} at {at[:16]} UTC" for dag_id, (state, at) in newest.items() if state == "failed"]
    if not failed:
        return Line("runs", "no DAG's newest run failed")
    return Line("runs", f"failed: {', '.join(failed)}; see {settings.home / 'logs'}", True)


def show(lines: Sequence[Line], shop: Shop) -> None:
    console = make_rich_console()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for line in lines:
        table.add_row("[red]✗[/]" if line.is_wrong else "[green]✓[/]", line.topic, line.text)
    console.print(f"{shop.title or shop.name}, {shop.time_zone}" + (f", ends {shop.end_date}" if shop.end_date else ""))
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
