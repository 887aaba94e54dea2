"""Do the tables of the demo fit 80 columns, 140, and a pipe, without cutting a heading or an id?"""

from __future__ import annotations

import io
from datetime import date

import pytest
from rich.console import Console

from infra.local.results import show_risks
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import PIPE_WIDTH

KEY = "3f3969c3a913c5fa7b3cd1ee0d5a6f21"
REASON = "A purchase only every 203 days, the last one 41 days ago"


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (62, ["customer", "60 days", "at risk, GBP"]),
        (80, ["customer", "60 days", "90 days", "band", "at risk, GBP"]),
        (140, ["customer", "30 days", "60 days", "90 days", "band", "at risk, GBP", "because of"]),
        (PIPE_WIDTH, ["customer", "30 days", "60 days", "90 days", "band", "at risk, GBP", "because of"]),
    ],
)
def test_columns_are_dropped_by_importance_and_never_cut(width, headings, shop):
    row = {"customer_id": KEY, "p_churn_30d": 0.78, "p_churn_60d": 0.59, "p_churn_90d": 0.47,
           "band": "medium", "spend_at_risk": 2879.89, "reason_text": REASON, "as_of": date(2011, 9, 6)}  # fmt: skip
    file = io.StringIO()
    show_risks(PlainConsole(Console(file=file, width=width)), [row], shop)
    lines = file.getvalue().splitlines()
    (heading,) = [line for line in lines if "customer " in line and "┃" in line]
    assert [cell.strip() for cell in heading.strip("┃").split("┃")] == headings
    assert KEY in file.getvalue()
    assert max(map(len, lines)) <= width
