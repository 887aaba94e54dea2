"""The registry of models and their promotions. Helper of postgres.py.

A promotion makes a model score from its effective_from day on. Promotions are added and never changed. Among those with
effective_from up to a day, the one that was added last decides which model scores the day. To go back to an older
model, promote it again; earlier days keep the model that scored them. A promotion for a future day is overridden by any
promotion that is added later.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from spark_jobs.warehouse.records import ModelRecord, Promotion


def add_model(connection: psycopg.Connection, schema: str, model: ModelRecord) -> None:
    """Adds the model, unless its version is registered already."""
    row = {**vars(model), "metrics": Jsonb(dict(model.metrics))}
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (version) DO NOTHING").format(
        sql.Identifier(schema, "models"),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    connection.execute(statement, row)


def move_locations(connection: psycopg.Connection, schema: str, old: str, new: str) -> int:
    """Replaces the folder `old` at the start of the models' locations; returns the number of models."""
    statement = sql.SQL("UPDATE {} SET location = %s || substr(location, %s) WHERE starts_with(location, %s)")
    return connection.execute(
        statement.format(sql.Identifier(schema, "models")), [new, len(old) + 1, f"{old.rstrip('/')}/"]
    ).rowcount


def find_model(connection: psycopg.Connection, schema: str, version: str) -> ModelRecord | None:
    return _find_first(connection, schema, "WHERE version = %s", version)


def add_promotion(
    connection: psycopg.Connection, schema: str, model: ModelRecord, effective_from: date | None, is_once: bool = False
) -> Promotion:
    """Makes the model score from this day on; does nothing if the newest promotion does so already.

    effective_from: by default the last day of the model's training data, or the newest scored day if that is later, so
    that earlier scores keep their model. is_once: do nothing if the model was promoted before.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"churn promote {schema}"])
    promotions, runs = sql.Identifier(schema, "promotions"), sql.Identifier(schema, "published_runs")
    query = sql.SQL("SELECT version, effective_from FROM {} ORDER BY number DESC").format(promotions)
    before = connection.execute(query).fetchall()
    mine = [day for version, day in before if version == model.version]
    if is_once and mine:
        return Promotion(mine[0], is_new=False)
    (last_scored,) = connection.execute(sql.SQL("SELECT max(as_of) FROM {}").format(runs)).fetchone() or (None,)
    day = effective_from or max(model.trained_through, last_scored or date.min)
    newest_version, newest_day = before[0] if before else (None, date.min)
    is_in_effect = newest_day == day if effective_from else newest_day <= day
    if newest_version == model.version and is_in_effect:
        return Promotion(newest_day, is_new=False)
    statement = sql.SQL("INSERT INTO {} (version, effective_from) VALUES (%s, %s)").format(promotions)
    connection.execute(statement, [model.version, day])
    is_replaced = newest_version != model.version and newest_day > day
    return Promotion(day, is_new=True, replaced=before[0] if is_replaced else None)


def add_rejection(connection: psycopg.Connection, schema: str, version: str) -> bool:
    """Notes that the model was rejected. Returns False, and notes nothing, if it was rejected or promoted before."""
    statement = sql.SQL(
        "INSERT INTO {} (version) SELECT %(version)s WHERE NOT EXISTS (SELECT FROM {} WHERE version = %(version)s)"
        " ON CONFLICT DO NOTHING"
    ).format(sql.Identifier(schema, "rejections"), sql.Identifier(schema, "promotions"))
    return connection.execute(statement, {"version": version}).rowcount == 1


def find_scorer(connection: psycopg.Connection, schema: str, as_of: date) -> tuple[ModelRecord, bool] | None:
    """The model that scores the day, and whether that is hindsight; None if no model was ever promoted.

    It is hindsight if the model was trained on later days, or if the day is before all promotions: then the model with
    the earliest effective_from scores it.
    """
    for choice, is_too_late in (
        ("WHERE effective_from <= %s ORDER BY number DESC", False),
        ("WHERE effective_from > %s ORDER BY effective_from, number DESC", True),
    ):
        if model := _find_first(connection, schema, choice, as_of):
            return model, is_too_late or model.trained_through > as_of
    return None


def _find_first(connection: psycopg.Connection, schema: str, choice: str, value: object) -> ModelRecord | None:
    """choice: the WHERE and ORDER BY clauses, over the columns of models and promotions."""
    query = sql.SQL("SELECT {} FROM {} LEFT JOIN {} USING (version) " + choice + " LIMIT 1").format(
        sql.SQL(", ").join(sql.Identifier(column.name) for column in fields(ModelRecord)),
        sql.Identifier(schema, "models"),
        sql.Identifier(schema, "promotions"),
    )
    with connection.cursor(row_factory=class_row(ModelRecord)) as cursor:
        return cursor.execute(query, [value]).fetchone()
