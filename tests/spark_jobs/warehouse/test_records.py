"""Is the gate's result of a model described correctly?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.spark_jobs.warehouse.support import make_model

PASSED = {"is_judged": True, "is_refused": False}
REFUSED, UNJUDGED = "no kind passed the gate of its training", "too few customers had churned or stayed to judge it"


@pytest.mark.parametrize(
    ("is_passed", "horizons", "words"),
    [(True, [PASSED], "passed the gate"),
     (False, [PASSED | {"is_refused": True}], f"scores although {REFUSED}"),
     (False, [{}], f"scores although {REFUSED}"),
     (False, [PASSED, {"is_judged": False, "is_refused": False}], f"scores although {UNJUDGED}"),
     (False, [PASSED | {"is_refused": True}, {"is_judged": False, "is_refused": True}],
      f"scores although {REFUSED} and {UNJUDGED}")],
)  # fmt: skip
def test_a_model_says_whether_it_was_refused_or_could_not_be_judged_or_both(is_passed, horizons, words):
    metrics = {f"{30 * n}d": values for n, values in enumerate(horizons, 1)}
    assert replace(make_model("m-1", date(2026, 1, 1)), gate_passed=is_passed, metrics=metrics).gate_words == words
