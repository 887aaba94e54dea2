"""Do the DAGs load, follow the house rules, and mean the right day?"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, ParamValidationError
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from dags import common
from infra.local.environment import ROOT

SHOPS = ("online_retail", "living")
FAMILIES = ("churn_etl", "churn_score", "churn_train")
DAG_IDS = [f"{family}__{shop}" for shop in SHOPS for family in FAMILIES]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
TASKS = {
    "churn_etl": ["resolve_as_of", "clean", "customer_day", "customer_series", "publish"],
    "churn_score": ["resolve_as_of", "churn_risk", "publish", "load"],
    "churn_train": ["resolve_as_of", "customer_series", "publish", "train"],
}


def test_there_are_exactly_these_dags(dags):
    assert sorted(dags) == sorted(DAG_IDS)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_dag_tells_its_runbook(dags, dag_id):
    for heading in ("Makes", "When", "From", "If it fails", "What to do"):
        assert f"**{heading}**" in dags[dag_id].doc_md
    assert dags[dag_id].description


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_dag_is_tagged_and_runs_one_day_at_a_time(dags, dag_id):
    family, shop = dag_id.split("__")
    assert dags[dag_id].tags == {"churn", family.removeprefix("churn_"), shop}
    assert dags[dag_id].max_active_runs == 1
    assert dags[dag_id].catchup is False


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_has_an_owner_retries_and_a_time_limit(dags, dag_id):
    for task in dags[dag_id].tasks:
        assert task.owner == "churn"
        assert task.retries == 2
        assert task.retry_delay >= timedelta(minutes=1)
        assert task.execution_timeout is not None


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_the_tasks_run_one_after_the_other(dags, dag_id):
    expected = TASKS[dag_id.split("__")[0]]
    assert [task.task_id for task in dags[dag_id].topological_sort()] == expected
    for before, after in pairwise(expected):
        assert after in dags[dag_id].get_task(before).downstream_task_ids


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_no_dag_asks_for_the_logical_date_or_for_now(file):
    """Asset-triggered and partition runs have no logical date, and a retry must mean the same day."""
    forbidden = r"\bds(?:_nodash)?\b|logical_date|execution_date|data_interval|\bnow\(|today\("
    assert re.findall(forbidden, file.read_text()) == []


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_no_dag_holds_a_path_or_uses_a_shell(file):
    texts = [n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)]
    assert not [t for t in texts if isinstance(t, str) and re.match(r"\.?/|~|local\[|spark://", t)]
    assert not re.search(r"Bash|shell=|os\.system", file.read_text())


def test_parsing_loads_nothing_heavy():
    code = (
        "import sys; from infra.local.run_dag import load_dags; import dags.common\n"
        "bag = load_dags(); print(len(bag), *sorted({n.partition('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    count, *loaded = done.stdout.split("\n")[-2].split()
    assert int(count) == len(DAG_IDS), done.stderr
    assert not set(loaded) & {"pyspark", "tensorflow", "pandas", "pyarrow", "deltalake", "training"}


# Which day a run is about


def resolve(param=None, partition_key=None, run_after="2026-11-21T07:00:00+00:00"):
    run = SimpleNamespace(run_after=datetime.fromisoformat(run_after), partition_key=partition_key)
    return common.resolve_as_of.function("America/New_York", params={"as_of": param}, dag_run=run)


def test_the_parameter_names_the_day():
    assert resolve(param="2026-11-03") == "2026-11-03"


def test_else_the_partition_names_the_day():
    assert resolve(partition_key="2026-11-04") == "2026-11-04"


def test_else_it_is_the_day_before_the_run_in_the_shops_time_zone():
    assert resolve(run_after="2026-11-21T07:00:00+00:00") == "2026-11-20"
    assert resolve(run_after="2026-11-21T04:00:00+00:00") == "2026-11-19"  # still the 20th in New York


def test_a_parameter_that_disagrees_with_the_partition_fails_at_once():
    with pytest.raises(AirflowFailException, match="disagrees"):
        resolve(param="2026-11-03", partition_key="2026-11-04")


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "2026-11-03; rm -rf /", 20261103])
def test_a_day_that_is_none_is_refused_before_any_task(dags, value):
    with pytest.raises(ParamValidationError):
        copy(dags["churn_etl__living"].params.get_param("as_of")).resolve(value)


@pytest.mark.parametrize(("name", "value"), [("promote", "yes"), ("epochs", 0), ("epochs", "3; rm -rf /")])
def test_training_refuses_parameters_of_another_kind(dags, name, value):
    with pytest.raises(ParamValidationError):
        copy(dags["churn_train__living"].params.get_param(name)).resolve(value)


# When runs are due


def next_run(dag, after: str):
    """The first scheduled run of a DAG after an instant, None for never."""
    restriction = TimeRestriction(earliest=datetime.fromisoformat(after), latest=None, catchup=True)
    return coerce_to_core_timetable(dag.timetable).next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)


@pytest.mark.parametrize(
    ("after", "due", "day"),
    [
        ("2026-11-20T12:00:00+00:00", "2026-11-21T07:00:00+00:00", "2026-11-20"),
        ("2026-07-20T12:00:00+00:00", "2026-07-21T06:00:00+00:00", "2026-07-20"),  # daylight saving
    ],
)
def test_the_nightly_run_is_due_at_two_in_the_shop_and_owns_the_day_before(dags, after, due, day):
    run = next_run(dags["churn_etl__living"], after)
    assert run.run_after == datetime.fromisoformat(due)
    assert run.partition_key == day


def test_training_is_due_on_sundays(dags):
    run = next_run(dags["churn_train__living"], "2026-11-20T12:00:00+00:00")
    assert run.run_after == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("family", ["churn_etl", "churn_train"])
def test_a_shop_whose_data_has_ended_is_never_due(dags, family):
    assert next_run(dags[f"{family}__online_retail"], "2026-11-20T12:00:00+00:00") is None


def test_scoring_waits_for_what_the_etl_of_the_same_shop_publishes(dags):
    for shop in SHOPS:
        (outlet,) = dags[f"churn_etl__{shop}"].get_task("publish").outlets
        assert dags[f"churn_score__{shop}"].timetable.asset_condition == outlet


# Commands


def make_command(*words: str, options: tuple[str, ...] = ()) -> common.CommandOperator:
    shop = next(shop for shop in common.find_shops() if shop.name == "online_retail")
    return common.CommandOperator(task_id="command", command=words, shop=shop, as_of="2999-01-01", options=options)


def test_what_a_command_says_is_wrong_fails_at_once_in_its_words():
    with pytest.raises(AirflowFailException, match="2999-01-01 is after the shop's end_date 2011-09-06"):
        make_command("spark_jobs.publish", options=("--pipeline", "etl", "")).execute({})


def test_a_command_that_breaks_down_is_tried_again():
    with pytest.raises(AirflowException, match="No module named") as caught:
        make_command("there_is_no_such_module").execute({})
    assert not isinstance(caught.value, AirflowFailException)
