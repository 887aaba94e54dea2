"""Is every record accounted for, and a day of rejects found?"""

from __future__ import annotations

from datetime import date

import pytest

from spark_jobs.cleaning.accounts import (
    Tally,
    check_accounts,
    check_total,
    count_expected,
    find_rejected_days,
    make_accounts,
    take_tallies,
)
from spark_jobs.contract.errors import AuditError

DAY = {n: date(2011, 3, n) for n in range(1, 4)}


def test_empty_lines_stop_no_night_and_a_fully_rejected_day_is_found():
    tallies = [Tally("a", DAY[1], "clean", (), 90, 90), Tally("b", DAY[2], "quarantined", ("line_empty",), 4, 4),
               Tally("b", DAY[2], "quarantined", ("line_skipped",), 5, 9),
               Tally("c", DAY[3], "quarantined", ("price_invalid",), 3, 3), Tally("c", DAY[3], "clean", (), 7, 10),
               Tally("c", DAY[3], "elsewhere", (), 50, 60)]  # fmt: skip
    assert find_rejected_days(tallies, 0.2) == {DAY[3]: 0.3}
    paths = tuple({"delivery_id": name, "path": name, "log": "purchases"} for name in "abc")
    check_accounts(
        "purchases", make_accounts(tallies[1:3], paths[1:2]), 0.2, DAY[2], expected=count_expected(tallies, ())
    )
    with pytest.raises(AuditError, match="9 of 9"):
        check_accounts("purchases", make_accounts(tallies[1:3], paths[1:2]), 0.2, DAY[2])


def test_lost_doubled_and_cut_records_are_detected(spark):
    ddl = "delivery_id string, record_number bigint, delivery_day date, reasons array<string>, verdict string"
    rows = [("d", n, DAY[1], [], "clean") for n in (1, 2, 3)]
    delivery = {"delivery_id": "d", "path": "f", "log": "purchases"}

    def account(kept):
        return make_accounts(take_tallies(spark.createDataFrame(kept, ddl)), (delivery,))

    check_total(account(rows), 3)
    check_accounts("purchases", account(rows), 0.5, DAY[1])
    with pytest.raises(AuditError, match="f: 3 records in, but 2 clean"):
        check_accounts("purchases", account([rows[0], rows[2]]), 0.5, DAY[1])
    with pytest.raises(AuditError, match="f: 3 records in, but 4 clean"):
        check_accounts("purchases", account([*rows, rows[0]]), 0.5, DAY[1])
    with pytest.raises(AuditError, match="expected all 3 records"):
        check_total(account(rows[:2]), 3)


def test_any_number_of_cancelled_orders_stops_no_run():
    expected = {"order_cancelled"}
    tallies = [Tally("a", DAY[1], "quarantined", ("order_cancelled",), 80, 80), Tally("a", DAY[1], "clean", (), 15, 95),
               Tally("a", DAY[1], "quarantined", ("price_invalid",), 5, 100)]  # fmt: skip
    assert count_expected(tallies, expected) == 80
    assert find_rejected_days(tallies, 0.3, expected) == {}
    assert find_rejected_days(tallies, 0.2, expected) == {DAY[1]: 0.25}
