"""Every group of inputs has a sentence, in every language and for every activity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract.measures import ACTIVITY_LOGS, ACTIVITY_MEASURES, SERIES_MEASURES
from spark_jobs.contract.reason_words import BASE_RATE, LANGUAGES, REASON_GROUPS
from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import day, make_series, make_shop
from training.serving.explanation import MOST_REASONS, Reasons
from training.serving.reason_texts import write_texts

AS_OF = day(199)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("activity", ACTIVITY_MEASURES)
def test_every_group_has_a_sentence(activity, language):
    """One customer was active long ago, one all the time, one only on the first two days; each with one measure at a
    time."""
    shop = replace(make_shop(is_whole=True, churn=ChurnDefinition(activity=activity)), language=language)
    log = ACTIVITY_LOGS[activity]
    names = tuple(m.name for m in SERIES_MEASURES if activity == "purchase" or m.log == log)
    full = dict.fromkeys(names, 2.0)
    customers = {"long ago": {3: full}, "often": {n: full for n in range(0, 199, 7)}, "twice": {5: full, 20: full}}
    customers |= {f"only {name}": {150: {name: 1.0}, 197: {name: 9.0}} for name in names}
    batch = make_series(customers, AS_OF).to_batches()[0]
    for group in (*REASON_GROUPS, BASE_RATE):
        if group != BASE_RATE and not set(REASON_GROUPS[group].measures) <= set(names):
            continue
        for weeks in (0, 4):
            shape = (len(batch), MOST_REASONS)
            reasons = Reasons(np.full(shape, group, object), np.full(shape, weeks), np.full(shape, 0.1))
            texts = write_texts(reasons, pa.table(batch), names, AS_OF, shop, np.full(len(batch), 0.5))
            sentences = [text for text in texts.ravel() if text is not None]
            assert sentences, group
            assert not [text for text in sentences if "{" in text or not text.strip()]
