"""Exports of web analytics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from infra.recipes.layouts.sample import Sample, write_lines
from infra.recipes.orders import PAID, Order
from infra.recipes.workbooks import write_parquet


def make_ga4_events(orders: list[Order], sample: Sample) -> list[dict]:
    """The events of GA4's export: each order after its first product was viewed and put into the cart, and events of
    other names. Every third visit begins before the customer signs in."""
    events: list[dict] = []
    for order in (order for order in orders if order.status == PAID):
        for name, minutes in (("page_view", -10), ("view_item", -9), ("add_to_cart", -4), ("purchase", 0)):
            at = order.at + timedelta(minutes=minutes)
            local = at.astimezone(ZoneInfo("Europe/Berlin"))
            items = {"purchase": order.items, "page_view": ()}.get(name, order.items[:1])
            is_signed_in = name in ("add_to_cart", "purchase") or order.number % 3 > 0
            event: dict[str, Any] = {
                "event_date": f"{local:%Y%m%d}", "event_timestamp": int(at.timestamp()) * 1_000_000,
                "event_name": name, "user_id": str(order.customer) if is_signed_in else None,
                "user_pseudo_id": f"{order.customer}.17",
                "event_params": [
                    {"key": "ga_session_id", "value": {"int_value": order.number, "string_value": None}},
                    {"key": "page_location", "value": {"int_value": None, "string_value": "https://shop.example/p"}},
                ],
                "ecommerce": {"transaction_id": str(order.number) if name == "purchase" else None,
                              "purchase_revenue": float(order.gross) if name == "purchase" else None},
                "items": [{"item_id": item.sku, "item_name": item.name, "price": float(item.price),
                           "quantity": item.quantity} for item in items],
            }  # fmt: skip
            events.append(event)
        sample.count(order, [item.total for item in order.items])
    return events


def ga4(orders: list[Order]) -> Sample:
    """GA4's export to BigQuery, extracted as JSON lines: whole numbers are texts, and what is not set is absent."""
    sample = Sample()
    events = make_ga4_events(orders, sample)
    sample.files["events-000000000000.json"] = write_lines(_as_bigquery_json(event) for event in events)
    return sample


def _as_bigquery_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_bigquery_json(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_as_bigquery_json(one) for one in value]
    return str(value) if isinstance(value, int) else value


def bigquery(orders: list[Order]) -> Sample:
    """The same export as Parquet, with its structs and lists."""
    sample = Sample()
    events = make_ga4_events(orders, sample)
    sample.files["events-000000000000.parquet"] = write_parquet(events)
    return sample
