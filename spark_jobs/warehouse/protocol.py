"""The interface of a warehouse. Jobs depend on this class only; postgres.py implements it.

Every shop has a schema of its own. Exactly one run is visible per day. The registry determines which model scores which
day. Customer ids are stored apart from the scores. Each operation is atomic, and every failure is a ChurnError of one
line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.warehouse.records import ModelRecord, Promotion, PublishedRun, RunOrigin

#: The columns of what upsert_customers takes.
CUSTOMER_PAIRS = pa.schema([("customer_key", pa.string()), ("customer_id", pa.string())])
#: The names of the queries; queries.py has their columns and parameters.
Reading = Literal[
    "bands",
    "contact_lift",
    "contact_list",
    "current_scores",
    "customer_id",
    "customer_ids",
    "customer_nights",
    "first_scores",
    "known_customers",
    "merged_customers",
    "models",
    "newer_nights",
    "newest_drift",
    "newest_outcomes",
    "outcomes",
    "planned",
    "scores",
    "stored_drift",
    "stored_sales",
    "worth_contacting",
]


class Warehouse(Protocol):
    """A warehouse."""

    def prepare(self, shop: Shop) -> None:
        """Creates or updates the shop's tables and views; idempotent, and quick if nothing has changed."""

    def upsert_customers(self, shop: Shop, key_id: str, pairs: Iterable[pa.RecordBatch]) -> int:
        """Adds the pairs (customer_key, customer_id) that are new; returns their number. A pair may occur repeatedly.

        Raises ChurnError, and adds none, if a key belongs to another customer id than before.
        """

    def publish_scores(
        self,
        shop: Shop,
        as_of: date,
        run_id: str,
        rows: ds.Dataset | pa.Table,
        lake_version: int,
        is_hindsight: bool,
        origin: RunOrigin | None = None,
    ) -> bool:
        """Makes `rows`, with the columns of contract.tables.churn_risk, the visible scores of the day.

        Returns False, and does nothing, if this run was published before. Raises AuditError if columns or types differ,
        a customer occurs twice, or a row belongs to another day; the scores that were visible before then stay.
        """

    def published(self, shop: Shop) -> list[PublishedRun]:
        """Every run that is or was visible, sorted by day and time of publication."""

    def top_at_risk(self, shop: Shop, limit: int) -> list[dict[str, Any]]:
        """The customers with the most money at risk on the newest published day, as rows of current_churn_risk."""

    def remove_scores_before(self, shop: Shop, day: date, is_dry_run: bool = False) -> int:
        """Removes, or in a dry run only counts, the scores of earlier days and those that were never visible."""

    def read(self, shop: Shop, name: Reading, **parameters: object) -> pa.Table:
        """The rows of one of the named queries, for the shop."""

    def replace(self, shop: Shop, table: Table, rows: pa.Table | list[dict], **where: object) -> None:
        """Replaces rows of a table of contract.warehouse_tables: those with the values of `where`, or all rows without
        it."""

    def withdraw_plans(self, shop: Shop, before: date, planned_after: datetime) -> int:
        """Removes the contact plans of nights before this day that were made after `planned_after`; returns the number
        of customers."""

    def remove_customers(self, shop: Shop, keys: Collection[str], is_dry_run: bool = False) -> dict[str, int]:
        """Removes, or in a dry run only counts, all rows of these customer keys, and the ids that belong to them.

        Returns the number of rows by table. Figures about many customers, like outcomes, stay.
        """

    def register_model(self, shop: Shop, model: ModelRecord) -> None:
        """Adds the model, unless it is registered. Raises ChurnError if its version is registered with another
        bundle."""

    def model(self, shop: Shop, version: str) -> ModelRecord:
        """The registered model. Raises ChurnError if the version was never registered."""

    def promote_model(
        self, shop: Shop, version: str, effective_from: date | None = None, is_once: bool = False
    ) -> Promotion:
        """Makes the model score from this day on, until another model is promoted.

        effective_from: by default the last day of the model's training data, or the newest scored day if that is later.
        Does nothing if the newest promotion is the same; with is_once, if the model was ever promoted.
        """

    def reject_model(self, shop: Shop, version: str) -> bool:
        """Notes that a model is not to score, so that it no longer waits for approval; it may still be promoted.

        Returns False, and notes nothing, if it was rejected or promoted before.
        """

    def move_models(self, shop: Shop, old: str, new: str) -> int:
        """Makes the locations of models below the folder `old` locations below `new`; returns their number."""

    def model_for(self, shop: Shop, as_of: date) -> tuple[ModelRecord, bool] | None:
        """The model that scores the day, and whether that is hindsight; None if no model was ever promoted.

        The last promotion that is effective by that day decides. A day before all promotions is scored by the model
        with the earliest one, as hindsight. It is also hindsight if the model was trained on days after as_of.
        """
