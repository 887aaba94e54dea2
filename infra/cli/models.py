"""`churn models`, `approve` and `reject`: which model scores, and which one waits for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import click

from infra.cli.closing import Closing, name_shop
from infra.cli.opening import open_warehouse
from infra.cli.running import Output, printing
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.toml_section import nearest
from spark_jobs.runtime.screen import ScreenColumn, make_console, show_table
from spark_jobs.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class RegisteredModel:
    """A model in the registry. scores_from: the day of its newest promotion, None if it was never promoted."""

    version: str
    kind: str
    trained_through: date
    gate_passed: bool
    created_at: datetime
    scores_from: date | None
    promoted_at: datetime | None
    promotion: int | None
    rejected_at: datetime | None = None


def list_models(warehouse: Warehouse, shop: Shop) -> list[RegisteredModel]:
    """All registered models, the oldest first; none if the shop has no schema yet."""
    try:
        rows = warehouse.read(shop, "models").to_pylist()
    except ChurnError:
        return []
    return [RegisteredModel(**row) for row in rows]


def find_waiting(models: Sequence[RegisteredModel]) -> RegisteredModel | None:
    """The newest model, if nobody has decided about it and none was promoted since it was registered."""
    newest = models[-1] if models else None
    if newest is None or newest.scores_from or newest.rejected_at:
        return None
    later = (model for model in models if model.promoted_at and model.promoted_at > newest.created_at)
    return None if any(later) else newest


def show_models(given: str | None, output: Output) -> None:
    settings = read_settings()
    shop = find_shop(given, settings)
    models = list_models(open_warehouse(settings, shop), shop)
    if output.is_json:
        click.echo(
            json.dumps([vars(model) | {"state": describe_state(model, models)} for model in models], default=str)
        )
        return
    if not models:
        raise ChurnError(f"{shop.name} has no model: churn train {name_shop(shop)}")
    newest_first = models[::-1]
    columns = [
        ScreenColumn("version", [model.version for model in newest_first]),
        ScreenColumn("kind", [model.kind for model in newest_first], 2),
        ScreenColumn("state", [describe_state(model, models) for model in newest_first]),
        ScreenColumn("trained through", [str(model.trained_through) for model in newest_first], 3),
        ScreenColumn("gate", ["passed" if model.gate_passed else "not passed" for model in newest_first], 1),
    ]
    show_table(make_console(), f"Models of {shop.name}", columns)
    closing = Closing()
    if waiting := find_waiting(models):
        closing.add("waits", f"{waiting.version}: read its report with churn open report {name_shop(shop)}")
        closing.add("next", f"churn approve {name_shop(shop)}, or churn reject {name_shop(shop)}")
    else:
        closing.add("next", f"churn train {name_shop(shop)} trains a new one")
    closing.show(output)


def describe_state(model: RegisteredModel, models: Sequence[RegisteredModel]) -> str:
    """What the model does today."""
    newest = max((m.promotion or 0 for m in models), default=0)
    if model.promotion and model.promotion == newest:
        return f"scores from {model.scores_from}"
    if model.promotion:
        return f"scored from {model.scores_from}"
    if model.rejected_at:
        return "rejected"
    return "waits for approval" if model is find_waiting(models) else "never approved"


def approve_model(given: str | None, version: str | None, effective_from: date | None, output: Output) -> None:
    from spark_jobs.lake.store import Lake
    from spark_jobs.warehouse.__main__ import find_day_to_score_again, promote

    settings = read_settings()
    shop = find_shop(given, settings)
    warehouse = open_warehouse(settings, shop)
    chosen = choose_version(warehouse, shop, version)
    with printing(output):
        first = promote(warehouse, shop, chosen, effective_from)
    again = find_day_to_score_again(Lake(settings.lake(shop.name)), first)
    closing = Closing(data={"shop": shop.name, "version": chosen, "scores_from": first, "score_again": again})
    closing.add("next", f"churn night {name_shop(shop)}" + (f" --as-of {again}" if again else ""))
    closing.show(output)


def reject_model(given: str | None, version: str | None, output: Output) -> None:
    from spark_jobs.warehouse.__main__ import reject

    settings = read_settings()
    shop = find_shop(given, settings)
    warehouse = open_warehouse(settings, shop)
    warehouse.prepare(shop)
    chosen = choose_version(warehouse, shop, version)
    with printing(output):
        reject(warehouse, shop, chosen)
    closing = Closing(data={"shop": shop.name, "version": chosen})
    closing.add("next", f"churn models {name_shop(shop)}; churn train {name_shop(shop)} trains a new one")
    closing.show(output)


def choose_version(warehouse: Warehouse, shop: Shop, given: str | None) -> str:
    """The given version, else that of the model that waits. Raises ChurnError if there is no such model."""
    models = list_models(warehouse, shop)
    waiting = find_waiting(models)
    if given is None and waiting is None:
        raise ChurnError(
            f"no model of {shop.name} is waiting for approval: see all versions with `churn models {name_shop(shop)}`"
        )
    chosen = given or (waiting.version if waiting else "")
    versions = [model.version for model in models]
    if chosen not in versions:
        raise ChurnError(f"{shop.name} has no model {chosen!r}{nearest(chosen, versions)}: churn models lists them")
    return chosen
