"""Exports of marketplaces."""

from __future__ import annotations

from decimal import Decimal

from infra.recipes.layouts.sample import Row, Sample, write_csv
from infra.recipes.orders import PAID, PENDING, Order


def amazon(orders: list[Order]) -> Sample:
    """The seller's order report: tab-delimited, a line per item, the price that of the whole line."""
    header = ["order-id", "order-item-id", "purchase-date", "payments-date", "buyer-email", "buyer-name", "sku",
              "product-name", "quantity-purchased", "currency", "item-price", "item-tax"]  # fmt: skip
    sample = Sample()
    rows: list[Row] = [header]
    for order in (order for order in orders if order.status == PAID):
        at = order.at.isoformat(timespec="seconds")
        for item in order.items:
            rows.append([f"303-{order.number:07}-0000001", f"{item.number:014}", at, at,
                         f"k{order.customer}x@marketplace.example", "", item.sku, item.name, item.quantity, "EUR",
                         item.total, "0.00"])  # fmt: skip
        sample.count(order, [item.total for item in order.items])
    sample.files["orders.txt"] = write_csv(rows, delimiter="\t", encoding="cp1252", newline="\r\n")
    return sample


def ebay(orders: list[Order]) -> Sample:
    """The orders report: an empty line before the header and one after it, two lines of totals at the end."""
    header = ["Sales Record Number", "Order Number", "Buyer Username", "Item Number", "Item Title", "Custom Label",
              "Quantity", "Sold For", "Total Price", "Sale Date", "Paid On Date"]  # fmt: skip
    sample, count = Sample(), 0
    rows: list[Row] = [[], header, []]
    for order in (order for order in orders if order.status != PENDING):
        is_paid = order.status == PAID
        for item in order.items:
            rows.append([order.number, f"12-{order.number:05}-00001", f"buyer_{order.customer}", item.number,
                         item.name, item.sku, item.quantity, f"EUR {item.price:,.2f}", f"EUR {item.total:,.2f}",
                         f"{order.local:%b-%d-%y}", f"{order.local:%b-%d-%y}" if is_paid else ""])  # fmt: skip
        count += len(order.items)
        sample.count(order, [item.total for item in order.items], is_paid)
    sample.count(orders[0], [Decimal(0)] * 5, False)  # three empty lines, two of totals
    rows += [[], [f"{count}", "record(s) downloaded", "from Feb-01-26", "to Nov-01-26"], ["Seller ID : krug_und_tee"]]
    sample.files["eBay-OrdersReport-Nov-01-2026.csv"] = write_csv(rows, encoding="utf-8-sig")
    return sample
