"""Exports of tills and payment services."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from infra.recipes.layouts.sample import Row, Sample, discounted, spell_german, write_csv, write_lines
from infra.recipes.orders import CANCELLED, PAID, PENDING, Order


def square(orders: list[Order]) -> Sample:
    """Item sales detail as CSV: date, time and zone in columns of their own; a refund is a line of its own."""
    header = ["Date", "Time", "Time Zone", "Category", "Item", "Qty", "SKU", "Gross Sales", "Discounts", "Net Sales",
              "Transaction ID", "Customer ID", "Event Type"]  # fmt: skip
    sample = Sample()
    rows: list[tuple[datetime, Row]] = []
    for order in (order for order in orders if order.status == PAID):
        money = discounted(order)
        events = [(order.local, 1, "Payment")]
        events += [(order.refunded_at.astimezone(order.local.tzinfo), -1, "Refund")] if order.is_refunded else []
        for at, sign, event in events:
            for item, net in zip(order.items, money, strict=True):
                rows.append((at, [
                    f"{at:%m/%d/%y}", f"{at:%H:%M:%S}", "Berlin", "Tea", item.name, sign * item.quantity, item.sku,
                    _dollars(sign * item.total), _dollars(sign * (net - item.total)), _dollars(sign * net),
                    f"T{order.number}{'R' if sign < 0 else ''}", f"C{order.customer}", event,
                ]))  # fmt: skip
            sample.count(order, money, is_return=sign < 0)
    rows.sort(key=lambda row: row[0])
    sample.files["items-2026-02-01-2026-11-01.csv"] = write_csv([header, *(row for _, row in rows)])
    return sample


def _dollars(amount: Decimal) -> str:
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def lightspeed(orders: list[Order]) -> Sample:
    """Retail (X-Series), sales history: a line for the sale, one per item, one for the payment."""
    header = ["Date", "Receipt Number", "Line Type", "Customer Code", "Customer Name", "Quantity", "Subtotal",
              "Sales Tax", "Discount", "Total", "Paid", "Details", "Register", "User", "Status", "Sku"]  # fmt: skip
    words = {PAID: "CLOSED", PENDING: "LAYBY", CANCELLED: "VOIDED"}
    sample = Sample()
    rows: list[Row] = [header]
    for order in orders:
        at, code = f"{order.local:%Y-%m-%d %H:%M:%S}", f"K-{order.customer}"

        def row(kind: str, code: str, quantity: object, total: object, details: str, sku: str, at=at, order=order):
            status = words[order.status] if kind == "Sale" else ""
            return [at, order.number, kind, code, "", quantity, total, "0.00", "0.00", total, "", details, "Main",
                    "anna", status, sku]  # fmt: skip

        rows.append(row("Sale", code, sum(item.quantity for item in order.items), order.gross, "", ""))
        rows += [row("Sale Line", "", item.quantity, item.total, item.name, item.sku) for item in order.items]
        rows.append(row("Payment", "", "", order.gross, "Card", ""))
        sample.count(order, [item.total for item in order.items], order.status == PAID)
        sample.count(order, [Decimal(0)] * 2, False)
    sample.files["vend-sales-history.csv"] = write_csv(rows)
    return sample


def stripe(orders: list[Order]) -> Sample:
    """Charges of the API as JSON lines: seconds since 1970, cents, currencies in small letters."""
    words = {PAID: "succeeded", PENDING: "pending", CANCELLED: "failed"}
    sample = Sample()
    charges = []
    for order in orders:
        charges.append({
            "id": f"ch_{order.number}", "object": "charge", "amount": int(order.net * 100),
            "amount_refunded": int(order.net * 100) if order.is_refunded else 0, "refunded": order.is_refunded,
            "created": int(order.at.timestamp()), "currency": "eur", "customer": f"cus_{order.customer}",
            "status": words[order.status], "billing_details": {"email": order.email},
        })  # fmt: skip
        sample.count(order, [order.net], order.is_kept)
    sample.files["charges.jsonl"] = write_lines(charges)
    return sample


def paypal(orders: list[Order]) -> Sample:
    """Activity, all transactions, from a German account: refunds are negative lines, fees and transfers are there."""
    header = ["Datum", "Uhrzeit", "Zeitzone", "Name", "Typ", "Status", "Währung", "Brutto", "Gebühr", "Netto",
              "Absender E-Mail-Adresse", "Transaktionscode"]  # fmt: skip
    words = {PAID: "Abgeschlossen", PENDING: "Ausstehend", CANCELLED: "Storniert"}
    sample = Sample()
    rows: list[tuple[datetime, tuple[str, str, Decimal, str, str]]] = []
    for order in orders:
        rows.append((order.local, ("Zahlung", words[order.status], order.net, order.email, f"9X{order.number}")))
        sample.count(order, [order.net], order.status == PAID)
        if order.is_refunded:
            at = order.refunded_at.astimezone(order.local.tzinfo)
            rows.append((at, ("Rückzahlung", "Abgeschlossen", -order.net, order.email, f"9R{order.number}")))
            sample.count(order, [order.net], is_return=True)
    rows.append((orders[-1].local, ("Abbuchung auf Bankkonto", "Abgeschlossen", Decimal("-500.00"), "", "9A1")))
    sample.count(orders[-1], [Decimal(500)], False)
    lines = [
        [f"{at:%d.%m.%Y}", f"{at:%H:%M:%S}", f"{at:%Z}", "", kind, status, "EUR", spell_german(gross), "0,00",
         spell_german(gross), email, code]
        for at, (kind, status, gross, email, code) in sorted(rows, key=lambda row: row[0])
    ]  # fmt: skip
    sample.files["Download.CSV"] = write_csv([header, *lines], encoding="utf-8-sig")
    return sample
