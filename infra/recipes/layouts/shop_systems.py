"""Exports of shop systems."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from infra.recipes.layouts.sample import Row, Sample, discounted, write_csv
from infra.recipes.orders import CANCELLED, PAID, PENDING, Order


def shopify(orders: list[Order]) -> Sample:
    """Orders, Export, as CSV: a line per item, and what is the order's on the first of them only."""
    words = {PAID: "paid", PENDING: "pending", CANCELLED: "voided"}
    header = [
        "Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at", "Accepts Marketing",
        "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code", "Discount Amount", "Shipping Method",
        "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem compare at price",
        "Lineitem sku", "Lineitem requires shipping", "Lineitem taxable", "Lineitem fulfillment status",
        "Cancelled at", "Payment Method", "Refunded Amount", "Vendor", "Id", "Tags", "Source",
    ]  # fmt: skip
    sample = Sample()
    rows: list[Row] = [header]
    for order in orders:
        status = order.name_status(words)
        at = f"{order.local:%Y-%m-%d %H:%M:%S %z}"
        of_order = {"Financial Status": status, "Paid at": at if order.status == PAID else "",
                    "Fulfillment Status": "fulfilled", "Accepts Marketing": "no", "Currency": "EUR",
                    "Subtotal": order.net, "Shipping": "0.00", "Taxes": "0.00", "Total": order.net,
                    "Discount Code": "TEN" if order.discount else "", "Discount Amount": f"{order.discount:.2f}",
                    "Payment Method": "Shopify Payments", "Vendor": "Krug", "Source": "web",
                    "Refunded Amount": order.net if order.is_refunded else "0.00",
                    "Id": 7410001000000 + order.number}  # fmt: skip
        for place, item in enumerate(order.items):
            of_line = {"Name": f"#{order.number}", "Email": order.email, "Created at": at,
                       "Lineitem quantity": item.quantity, "Lineitem name": item.name, "Lineitem price": item.price,
                       "Lineitem sku": item.sku, "Lineitem requires shipping": "true", "Lineitem taxable": "true",
                       "Lineitem fulfillment status": "fulfilled"}  # fmt: skip
            found = of_line | (of_order if place == 0 else {})
            rows.append([found.get(name, "") for name in header])
        sample.count(order, discounted(order), order.is_kept)
    sample.files["orders_export_1.csv"] = write_csv(rows)
    return sample


def shopify_api(orders: list[Order]) -> Sample:
    """Answers of the Admin REST API, a page of orders each."""
    words = {PAID: "paid", PENDING: "pending", CANCELLED: "voided"}
    sample = Sample()
    objects: list[dict[str, Any]] = []
    for order in orders:
        lines = [
            {"id": item.number, "sku": item.sku, "title": item.name, "quantity": item.quantity,
             "price": str(item.price), "total_discount": "0.00"}
            for item in order.items
        ]  # fmt: skip
        objects.append({
            "id": 5000000 + order.number, "name": f"#{order.number}", "email": order.email,
            "created_at": order.local.isoformat(timespec="seconds"), "currency": "EUR",
            "financial_status": order.name_status(words),
            "cancelled_at": None if order.status != CANCELLED else order.local.isoformat(timespec="seconds"),
            "total_discounts": f"{order.discount:.2f}", "total_price": f"{order.net:.2f}",
            "customer": {"id": order.customer, "email": order.email}, "line_items": lines, "refunds": [],
        })  # fmt: skip
        sample.count(order, discounted(order), order.is_kept)
    half = len(objects) // 2
    for number, page in enumerate((objects[:half], objects[half:]), 1):
        sample.files[f"orders_page_{number}.json"] = json.dumps({"orders": page}, ensure_ascii=False).encode()
    return sample


def woocommerce(orders: list[Order]) -> Sample:
    """The orders of the REST API (v3) as one array; guests have the customer 0 and an address."""
    words = {PAID: "completed", PENDING: "on-hold", CANCELLED: "cancelled"}
    sample = Sample()
    objects: list[dict[str, Any]] = []
    for order in orders:
        money = discounted(order)
        lines = [
            {"id": item.number, "name": item.name, "product_id": 70 + place, "sku": item.sku,
             "quantity": item.quantity, "subtotal": str(item.total), "total": str(total),
             "price": float(total / item.quantity), "meta_data": []}
            for place, (item, total) in enumerate(zip(order.items, money, strict=True))
        ]  # fmt: skip
        objects.append({
            "id": order.number, "status": order.name_status(words), "currency": "EUR",
            "date_created": f"{order.local:%Y-%m-%dT%H:%M:%S}", "date_created_gmt": f"{order.at:%Y-%m-%dT%H:%M:%S}",
            "total": str(order.net), "customer_id": 0 if order.customer % 3 else order.customer,
            "billing": {"email": order.email, "country": "DE"}, "line_items": lines, "shipping_lines": [],
            "refunds": [],
        })  # fmt: skip
        sample.count(order, money, order.is_kept)
    sample.files["orders.json"] = json.dumps(objects, ensure_ascii=False, indent=1).encode()
    return sample


def magento(orders: list[Order]) -> Sample:
    """An answer of GET /V1/orders: times in UTC, a configurable product as a parent with the price and a child."""
    words = {PAID: "complete", PENDING: "pending_payment", CANCELLED: "canceled"}
    sample = Sample()
    objects: list[dict[str, Any]] = []
    for order in orders:
        items: list[dict[str, Any]] = []
        for item, total in zip(order.items, discounted(order), strict=True):
            line = {"item_id": item.number, "order_id": order.number, "sku": item.sku, "name": item.name,
                    "product_type": "simple", "qty_ordered": item.quantity, "price": float(item.price),
                    "row_total": float(item.total), "discount_amount": float(item.total - total)}  # fmt: skip
            if item.sku != "TEE-07":
                items.append(line)
                continue
            child = {**line, "item_id": item.number + 500_000, "parent_item_id": item.number, "price": 0,
                     "row_total": 0, "discount_amount": 0}  # fmt: skip
            items += [{**line, "product_type": "configurable"}, child]
        counts = order.status == PAID
        sample.count(order, [item.total for item in order.items], counts)
        sample.count(order, [Decimal(0)] * (len(items) - len(order.items)), False)
        objects.append({
            "entity_id": order.number, "increment_id": f"{order.number:09}", "status": words[order.status],
            "state": words[order.status], "created_at": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "customer_email": order.email, "customer_is_guest": 1 if order.customer % 3 else 0,
            "order_currency_code": "EUR", "grand_total": float(order.net), "items": items,
        })  # fmt: skip
    answer = {"items": objects, "search_criteria": {"page_size": 200}, "total_count": len(objects)}
    sample.files["orders.json"] = json.dumps(answer, ensure_ascii=False).encode()
    return sample
