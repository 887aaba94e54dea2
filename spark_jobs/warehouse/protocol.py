"""What does the product ask of a warehouse? Jobs know this class only; postgres.py is the one that answers.

Every shop has a place of its own in it. One whole run a day is visible; the registry says which model scores which
day; customer ids are resolved apart from the scores. Each operation happens whole or not at all, and every failure is
a ChurnError of one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.warehouse.records import ModelRecord, Promotion, PublishedRun, RunOrigin

#: What can be read by name; the columns and parameters of each stand in queries.py.
Reading = Literal[
    "contact_lift",
    "first_scores",
    "known_customers",
    "merged_customers",
    "newer_nights",
    "newest_drift",
    "newest_outcomes",
    "outcomes",
    "planned",
    "scores",
    "worth_contacting",
]


class Warehouse(Protocol):
    """One warehouse, whatever it is made of."""

    def prepare(self, shop: Shop) -> None:
        """Makes or updates what the shop needs; idempotent, and quick where nothing has changed."""

    def remember_customers(self, shop: Shop, key_id: str, pairs: Iterable[pa.RecordBatch]) -> int:
        """Adds the pairs (customer_key, customer_id) that are new, and counts them.

        Raises ChurnError, and adds none, if a key stands for another customer id than before.
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
        """Makes `rows`, in the columns of contract.tables.churn_risk, what is visible for the day.

        False: this run has been published before, and nothing was done. Raises AuditError if columns or types differ,
        a customer occurs twice, or a row is of another day; what was visible then stays.
        """

    def published(self, shop: Shop) -> list[PublishedRun]:
        """Every run that is or was visible, by day and then by when it became so."""

    def top_at_risk(self, shop: Shop, limit: int) -> list[dict[str, Any]]:
        """The customers with the most money at risk on the newest published day, as rows of current_churn_risk."""

    def remove_scores_before(self, shop: Shop, day: date, is_dry_run: bool = False) -> int:
        """Removes, or only counts, the scores of days before this one, and those that were never visible."""

    def read(self, shop: Shop, name: Reading, **parameters: object) -> pa.Table:
        """The rows of a reading of the shop."""

    def replace(self, shop: Shop, table: Table, rows: pa.Table | list[dict], **where: object) -> None:
        """Replaces those rows of a table of contract.warehouse_tables that have these values, at once; without values,
        all."""

    def withdraw_plans(self, shop: Shop, before: date, planned_after: datetime) -> int:
        """Removes the contact plans of nights before this day that were made after this instant; counts customers."""

    def register_model(self, shop: Shop, model: ModelRecord) -> None:
        """Adds the model; the same again changes nothing. Raises ChurnError if its version means another bundle."""

    def model(self, shop: Shop, version: str) -> ModelRecord:
        """Raises ChurnError if the version was never registered."""

    def promote_model(
        self, shop: Shop, version: str, effective_from: date | None = None, is_once: bool = False
    ) -> Promotion:
        """The model scores from this day on, until a newer promotion.

        By default it is the last day that the model learned from, or the newest that has scores where this is later.
        The same as the newest promotion changes nothing; nor, with is_once, any where the model has one.
        """

    def model_for(self, shop: Shop, as_of: date) -> tuple[ModelRecord, bool] | None:
        """The model that scores the day, and whether that is hindsight; None before the first promotion.

        Of the promotions up to that day the newest decides; a day before all of them gets the first one's model, as
        hindsight. It is hindsight too if the model learned from days after as_of.
        """
