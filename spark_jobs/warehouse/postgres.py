"""The warehouse in PostgreSQL, 13 or newer: implements protocol.py with one schema per shop.

The views current_churn_risk and churn_risk_history show exactly one run per day, the one that published_runs marks as
current. The schema identity, shared by all shops, maps customer keys to the shops' customer ids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row, dict_row

from spark_jobs.contract.errors import ChurnError, TransientError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN
from spark_jobs.warehouse.erasing import remove_customers, vacuum_tables
from spark_jobs.warehouse.models import (
    add_model,
    add_promotion,
    add_rejection,
    find_model,
    find_scorer,
    move_locations,
)
from spark_jobs.warehouse.protocol import CUSTOMER_PAIRS, Reading
from spark_jobs.warehouse.queries import write_query
from spark_jobs.warehouse.records import ModelRecord, Promotion, PublishedRun, RunOrigin
from spark_jobs.warehouse.schema.grants import IDENTITY
from spark_jobs.warehouse.schema.prepare import prepare_schemas
from spark_jobs.warehouse.scores import (
    RunToPublish,
    fetch_value,
    publish_rows,
    remove_invisible_rows,
    remove_old_rows,
    replace_rows,
)

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc

_UNPREPARED = "; run `python -m spark_jobs.warehouse prepare --shop SHOP.toml`"
_HINTS = {
    **dict.fromkeys(("42P01", "42883", "3F000"), _UNPREPARED),  # no such table, function, schema
    "55P03": "; another session has locked the tables: run again",
    "42501": "; the owner of the tables must run it",
    "0A000": "; a migration must drop the views that use a column before it changes the column, see CONTRIBUTING.md",
    "2BP01": "; views of your own use it: drop them first, and create them again afterwards",
}


@dataclass(frozen=True)
class PostgresWarehouse:
    """One database. The methods are documented in protocol.py.

    Each operation is a transaction on a new connection, so the server may be restarted between two operations.
    """

    url: str = field(repr=False)

    def require_answer(self) -> None:
        """Raises ChurnError if the server does not answer."""
        with self._open():
            pass

    def prepare(self, shop: Shop) -> None:
        with _errors_in_one_line(self.url):
            prepare_schemas(self.url, shop)

    def upsert_customers(self, shop: Shop, key_id: str, pairs: Iterable[pa.RecordBatch]) -> int:
        batches = (batch.select(CUSTOMER_PAIRS.names).cast(CUSTOMER_PAIRS) for batch in pairs)
        # Every writer inserts in the same order, so that two of them cannot deadlock.
        addition = f"""WITH added AS (
                           INSERT INTO {IDENTITY}.customers (shop, customer_key, customer_id, key_id)
                           SELECT $1, customer_key, customer_id, $2
                           FROM (SELECT DISTINCT customer_key, customer_id FROM pairs) AS given ORDER BY customer_key
                           ON CONFLICT (shop, customer_key) DO NOTHING RETURNING 1
                       ) SELECT count(*) FROM added"""
        conflicts = f"""SELECT count(DISTINCT customer_key)
                        FROM pairs JOIN {IDENTITY}.customers AS known USING (customer_key)
                        WHERE known.shop = $1 AND known.customer_id <> pairs.customer_id"""
        with self._open_for_arrow() as cursor:
            reader = pa.RecordBatchReader.from_batches(CUSTOMER_PAIRS, batches)
            cursor.adbc_ingest("pairs", reader, mode="create", temporary=True)
            added = fetch_value(cursor, addition, shop.name, key_id)
            if count := fetch_value(cursor, conflicts, shop.name):
                raise ChurnError(f"{count} customer keys of {shop.name} belong to another customer id than before: "
                                 "restore the former id key; no customer was added")  # fmt: skip
        return added

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
        run = RunToPublish(shop.name, as_of, run_id, lake_version, is_hindsight, origin)
        make_partition = sql.SQL("SELECT {}(%s)").format(sql.Identifier(shop.name, "ensure_month"))
        with self._open() as connection:
            connection.execute(make_partition, [as_of])
        with self._open_for_arrow() as cursor:
            is_new = publish_rows(cursor, run, churn_risk(shop.churn.horizons_days), rows)
        with self._open() as connection:
            remove_invisible_rows(connection, shop.name)
        return is_new

    def published(self, shop: Shop) -> list[PublishedRun]:
        query = sql.SQL("SELECT * FROM {} ORDER BY as_of, published_at")
        with self._open() as connection, connection.cursor(row_factory=class_row(PublishedRun)) as cursor:
            return cursor.execute(query.format(sql.Identifier(shop.name, "published_runs"))).fetchall()

    def remove_scores_before(self, shop: Shop, day: date, is_dry_run: bool = False) -> int:
        with self._open() as connection:
            removed = remove_old_rows(connection, shop.name, day) + remove_invisible_rows(connection, shop.name)
            if is_dry_run:
                connection.rollback()
        return removed

    def top_at_risk(self, shop: Shop, limit: int) -> list[dict[str, Any]]:
        query = sql.SQL("SELECT * FROM {} ORDER BY spend_at_risk DESC, customer_id LIMIT %s")
        with self._open() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.format(sql.Identifier(shop.name, "current_churn_risk")), [limit]).fetchall()

    def read(self, shop: Shop, name: Reading, **parameters: object) -> pa.Table:
        query, values = write_query(name, shop.name, parameters)
        with self._open_for_arrow() as cursor:
            cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(shop.name)).as_string(None))
            cursor.execute(query, values)
            return cursor.fetch_arrow_table()

    def replace(self, shop: Shop, table: Table, rows: pa.Table | list[dict], **where: object) -> None:
        with self._open_for_arrow() as cursor:
            replace_rows(cursor, shop.name, table, rows, where)

    def withdraw_plans(self, shop: Shop, before: date, planned_after: datetime) -> int:
        removal = sql.SQL("DELETE FROM {} WHERE as_of < %s AND planned_at > %s")
        with self._open() as connection:
            place = sql.Identifier(shop.name, CONTACT_PLAN.name)
            return connection.execute(removal.format(place), [before, planned_after]).rowcount

    def remove_customers(self, shop: Shop, keys: Collection[str], is_dry_run: bool = False) -> dict[str, int]:
        with self._open() as connection:
            removed = remove_customers(connection, shop, sorted(keys))
            if is_dry_run:
                connection.rollback()
        if not is_dry_run:
            with _errors_in_one_line(self.url), psycopg.connect(self.url, autocommit=True) as connection:
                vacuum_tables(connection, shop)
        return removed

    def register_model(self, shop: Shop, model: ModelRecord) -> None:
        with self._open() as connection:
            add_model(connection, shop.name, model)
        if self.model(shop, model.version).bundle_hash != model.bundle_hash:
            raise ChurnError(
                f"model {model.version} of {shop.name} is registered with another bundle: give the model"
                " another version"
            )

    def model(self, shop: Shop, version: str) -> ModelRecord:
        with self._open() as connection:
            found = find_model(connection, shop.name, version)
        if found is None:
            raise ChurnError(f"{shop.name} has no model {version!r}: train one, or take a version of model_registry")
        return found

    def promote_model(
        self, shop: Shop, version: str, effective_from: date | None = None, is_once: bool = False
    ) -> Promotion:
        model = self.model(shop, version)
        with self._open() as connection:
            return add_promotion(connection, shop.name, model, effective_from, is_once)

    def reject_model(self, shop: Shop, version: str) -> bool:
        model = self.model(shop, version)
        with self._open() as connection:
            return add_rejection(connection, shop.name, model.version)

    def move_models(self, shop: Shop, old: str, new: str) -> int:
        with self._open() as connection:
            return move_locations(connection, shop.name, old, new)

    def model_for(self, shop: Shop, as_of: date) -> tuple[ModelRecord, bool] | None:
        with self._open() as connection:
            return find_scorer(connection, shop.name, as_of)

    @contextmanager
    def _open(self) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end, rolled back by an exception."""
        with _errors_in_one_line(self.url), psycopg.connect(self.url, connect_timeout=10) as connection:
            yield connection

    @contextmanager
    def _open_for_arrow(self) -> Iterator[adbc.Cursor]:
        """One transaction through ADBC, for Arrow data."""
        import adbc_driver_postgresql.dbapi as adbc  # takes half a second, and few jobs copy

        with _errors_in_one_line(self.url, adbc), adbc.connect(self.url) as connection:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()


@contextmanager
def _errors_in_one_line(url: str, driver: ModuleType = psycopg) -> Iterator[None]:
    """Raises the driver's errors as ChurnError, with their first line only, which contains no data, and without the
    password."""
    try:
        password = conninfo_to_dict(url).get("password")
    except psycopg.ProgrammingError:  # its text would show the URL
        raise ChurnError("CHURN_WAREHOUSE_URL must be like postgresql://user:password@host:5432/database") from None
    try:
        yield
    except driver.Error as error:
        text = str(error).strip().splitlines()[0]
        text = text.replace(str(password), "***") if password else text
        is_transient = isinstance(error, driver.OperationalError)
        kind = TransientError if is_transient else ChurnError
        raise kind(f"warehouse: {text}{_HINTS.get(getattr(error, 'sqlstate', None) or '', '')}") from None
