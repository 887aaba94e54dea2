"""Exports of spreadsheets."""

from __future__ import annotations

from decimal import Decimal

from infra.recipes.layouts.sample import Row, Sample, spell_german, write_csv
from infra.recipes.orders import PAID, Order
from infra.recipes.workbooks import write_xlsx


def excel_german(orders: list[Order]) -> Sample:
    """A German Excel's "CSV (Trennzeichen-getrennt)": semicolons, decimal commas, cp1252, a line of totals."""
    sample = Sample()
    rows: list[Row] = [["Bestellnr", "Kunde", "Datum", "Artikel", "Menge", "Preis", "Summe"]]
    for order in (order for order in orders if order.status == PAID):
        rows += [[order.number, order.customer, f"{order.local:%d.%m.%Y %H:%M}", item.name, item.quantity,
                  f"{spell_german(item.price)} €", f"{spell_german(item.total)} €"]
                 for item in order.items]  # fmt: skip
        sample.count(order, [item.total for item in order.items])
    rows.append(["Summe", "", "", "", "", "", f"{spell_german(sample.sales)} €"])
    sample.count(orders[0], [Decimal(0)], False)
    sample.files["umsatz.csv"] = write_csv(rows, delimiter=";", encoding="cp1252", newline="\r\n")
    return sample


def excel(orders: list[Order]) -> Sample:
    """A workbook: a sheet of orders whose times are Excel's own dates."""
    sample = Sample()
    rows: list[Row] = [["Order", "Customer", "Date", "Article", "Pieces", "Price"]]
    for order in (order for order in orders if order.status == PAID):
        at = order.local.replace(tzinfo=None, microsecond=0)
        rows += [[order.number, order.customer, at, item.sku, item.quantity, float(item.price)]
                 for item in order.items]  # fmt: skip
        sample.count(order, [item.total for item in order.items])
    sample.files["orders.xlsx"] = write_xlsx(rows)
    return sample
