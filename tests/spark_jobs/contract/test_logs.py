"""A log with a forgotten declaration fails here, not with a KeyError at night."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from spark_jobs.contract import reason_words
from spark_jobs.contract.features import ACTIVITY_OPS, FEATURES, find_activity_features
from spark_jobs.contract.log import Log
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import ACTIVITY_LOGS, ACTIVITY_MEASURES, MEASURES, SERIES_MEASURES, SETS
from spark_jobs.contract.reason_words import LANGUAGES, REASON_GROUPS, Language, reason_fingerprint
from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS
from tests.conftest import ROOT

NAMES = {measure.name for measure in SERIES_MEASURES}
every_log = pytest.mark.parametrize("log", LOGS.values(), ids=list(LOGS))


def test_every_measure_has_one_home_and_a_column():
    names = [measure.name for measure in (*SERIES_MEASURES, *SETS)]
    assert len(names) == len(set(names))
    assert {measure.name for measure in (*MEASURES, *SETS)} <= set(CUSTOMER_DAY.column_names)
    assert set(CUSTOMER_SERIES.column_names) >= NAMES


@every_log
def test_measures_name_their_log_and_columns_that_exist(log: Log):
    columns = {f"{name}.{column}" for name, other in LOGS.items() for column in other.canonical}
    for measure in (*log.measures, *log.sets, *log.set_counts):
        assert measure.log == log.name
        assert set(measure.needs) <= columns


@every_log
def test_drift_can_count_the_log(log: Log):
    own = {measure.name for measure in log.measures}
    assert log.counted_by
    assert set(log.counted_by) <= own
    assert {name for ratio in log.typical.values() for name in ratio} <= own
    assert set(log.largest) <= own


@every_log
def test_inputs_and_settings_are_ones_that_shop_toml_can_map(log: Log):
    assert {"kind"} & set(log.canonical) == ({"kind"} if log.kinds else set())
    assert set(log.alternatives.inputs if log.alternatives else ()) <= set(log.canonical)
    assert set(log.settings) <= {field.name for field in fields(Source)}
    assert {reason.column for reason in log.rejections.values()} - {None} <= set(log.canonical)
    assert log.rejections.items() <= REASONS.items()


def test_no_two_logs_share_a_code_a_group_or_a_place():
    for shared in ("rejections", "reason_groups", "typical"):
        names = [name for log in LOGS.values() for name in getattr(log, shared)]
        assert len(names) == len(set(names)), shared
    assert len({log.order for log in LOGS.values()}) == len(LOGS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_word_for_all_that_reasons_name(language):
    words = LANGUAGES[language]
    assert set(words.activities) == set(ACTIVITY_LOGS)
    assert all(words.activities.values())
    # A mean is named by the first of its three measures, or counted by the last.
    named = {name for group in REASON_GROUPS.values() for name in group.measures}
    unnamed = {group.measures[1] for group in REASON_GROUPS.values() if group.form == "mean"}
    assert named - unnamed <= set(words.nouns)
    assert named <= NAMES
    assert all(getattr(words, field.name) for field in fields(Language))


def test_every_input_of_the_model_has_a_measure_and_a_group_with_words():
    for feature in FEATURES:
        assert set(feature.measures) <= NAMES, feature.name
        assert feature.group in REASON_GROUPS, feature.name


@pytest.mark.parametrize("activity", ACTIVITY_MEASURES)
def test_every_activity_has_the_inputs_by_which_plain_models_see_it(activity):
    assert len(find_activity_features(activity)) == len(ACTIVITY_OPS)
    assert ACTIVITY_MEASURES[activity] in {measure.name for measure in LOGS[ACTIVITY_LOGS[activity]].measures}


def test_what_decides_a_table_enters_its_key(monkeypatch):
    browses = LOGS["browses"]
    assert browses.fingerprint != replace(browses, kinds=browses.kinds[:2]).fingerprint
    assert browses.fingerprint == replace(browses, rejections={}, words={}, grain="another sentence").fingerprint
    assert EVENTS["browses"].column_names != EVENTS["purchases"].column_names
    before = reason_fingerprint("en"), reason_fingerprint("zh")
    monkeypatch.setitem(reason_words.LANGUAGES, "zh", replace(LANGUAGES["zh"], today="今日"))
    assert reason_fingerprint("en") == before[0]
    assert reason_fingerprint("zh") != before[1]


@every_log
def test_the_reference_lists_the_columns_of_the_log(log: Log):
    """The log's row: `name`, required columns, optional columns with the words for kinds."""

    def describe(name: str) -> str:
        return f"`{name}`" + (f" ({', '.join(log.kinds)})" if name == "kind" else "")

    either = log.alternatives.inputs if log.alternatives else ()
    required = [f"`{name}`" for name, one in log.canonical.items() if one.is_required]
    required += [" or ".join(f"`{name}`" for name in either)] if either else []
    optional = [describe(name) for name, one in log.canonical.items() if not one.is_required and name not in either]
    assert (
        f"| `{log.name}` | {', '.join(required)} | {', '.join(optional)} |"
        in (ROOT / "infra/docs/reference/shop_toml.md").read_text()
    )
