"""Do the DAGs load, follow the project's rules, and process the right day?"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from copy import copy
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException, AirflowFailException, ParamValidationError
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from dags import churn_etl, churn_maintenance, churn_train, common, shops
from infra.local.environment import ROOT
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Schedule
from tests.dags.conftest import write_shop

SHOPS = ("online_retail", "living", "simulated")
FAMILIES = ("churn_etl", "churn_score", "churn_train", "churn_maintenance")
DAG_IDS = [f"{family}__{shop}" for shop in SHOPS for family in FAMILIES]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
CHAINS = {
    "churn_etl": ["resolve_days", "wait_purchases", "clean_purchases", "customer_day", "customer_series", "publish"],
    "churn_score": ["resolve_days", "churn_risk", "drift", "publish", "load", "contact_plan", "report"],
    "churn_train": [
        "resolve_days", "customer_series", "publish", "train", "gate", "approve", "promote", "score_again",
    ],
    "churn_maintenance": ["resolve_days", "compact", "retain", "vacuum"],
}  # fmt: skip


def test_there_are_exactly_these_dags(dags):
    assert sorted(dags) == sorted(DAG_IDS)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_dag_has_a_runbook(dags, dag_id):
    for heading in ("Makes", "When", "From", "If it fails", "What to do"):
        assert f"**{heading}**" in dags[dag_id].doc_md
    assert dags[dag_id].description


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_dag_is_tagged_and_runs_one_day_at_a_time(dags, dag_id):
    family, shop = dag_id.split("__")
    assert dags[dag_id].tags == {"churn", family.removeprefix("churn_"), shop}
    assert dags[dag_id].max_active_runs == 1


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_has_an_owner_retries_a_time_limit_and_a_description(dags, dag_id):
    for task in dags[dag_id].tasks:
        assert task.owner == "churn"
        assert task.retries == 2
        assert task.retry_delay >= timedelta(minutes=1)
        assert task.execution_timeout is not None
        assert task.doc_md, task.task_id


def test_every_pool_that_a_task_asks_for_is_made_by_the_setup(dags):
    made = json.loads((ROOT / "infra" / "airflow" / "pools.json").read_text())
    assert {task.pool for dag in dags.values() for task in dag.tasks} == {"default_pool", *made}
    assert {task.task_id for task in dags["churn_train__living"].tasks if task.pool == "gpu"} == {"train"}


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_the_tasks_run_one_after_the_other(dags, dag_id):
    for before, after in pairwise(CHAINS[dag_id.split("__")[0]]):
        assert after in dags[dag_id].get_task(before).downstream_task_ids


def test_each_log_has_its_own_sensor_and_clean_task(dags):
    dag = dags["churn_etl__simulated"]
    for log in ("purchases", "browses", "reviews"):
        assert dag.get_task(f"wait_{log}").downstream_task_ids == {f"clean_{log}"}
        assert dag.get_task(f"clean_{log}").downstream_task_ids == {"customer_day"}
        assert dag.get_task(f"clean_{log}").trigger_rule == "none_failed"  # a skipped wait stops nothing


def test_the_contact_log_is_read_weekly_if_the_shop_has_one(dags, tmp_path):
    assert not dags["churn_maintenance__living"].has_task("contacts")
    log = '[contact.log]\nlocation = "sent"\nfiles = "*.csv"\nformat = "csv"\n'
    log += '[contact.log.columns]\ncustomer_id = "client"\ncontacted_at = "sent"\n'
    shop = load_shop(write_shop(tmp_path / "shop.toml", {r"^\[sources.purchases\]": f"{log}[sources.purchases]"}))
    task = churn_maintenance.build_maintenance(shop).get_task("contacts")
    assert [*task.command, *task.make_arguments()] == ["spark_jobs.contacts", "--shop", str(shop.path)]


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_no_dag_uses_the_logical_date_or_the_current_time(file):
    """Asset-triggered and partition runs have no logical date, and a retry must mean the same day."""
    forbidden = r"\bds(?:_nodash)?\b|logical_date|execution_date|data_interval|\bnow\(|today\("
    assert re.findall(forbidden, file.read_text()) == []


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_no_dag_holds_a_path_or_uses_a_shell(file):
    texts = [n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)]
    assert not [t for t in texts if isinstance(t, str) and re.match(r"\.?/.|~|local\[|spark://", t)]
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


# Which day a run processes


def resolve(partition_key=None, run_after="2026-11-21T07:00:00+00:00", **params):
    run = SimpleNamespace(run_after=datetime.fromisoformat(run_after), partition_key=partition_key, conf=params)
    return common.resolve_days.function("America/New_York", list(churn_etl.PARAMS), params=params, dag_run=run)


def test_parameter_partition_and_clock_determine_the_days_of_a_run():
    assert resolve(as_of="2026-11-03") == ["2026-11-03"]
    assert resolve(first_day="2026-11-03", last_day="2026-11-04") == ["2026-11-03", "2026-11-04"]
    assert resolve(partition_key="2026-11-04") == ["2026-11-04"]
    assert resolve(run_after="2026-11-21T04:00:00+00:00") == ["2026-11-19"]  # still the 20th in New York


def test_a_parameter_that_disagrees_with_the_partition_fails_at_once():
    with pytest.raises(AirflowFailException, match="disagrees"):
        resolve(as_of="2026-11-03", partition_key="2026-11-04")


@pytest.mark.parametrize(
    ("name", "advice"), [("as_off", "'as_off': did you mean as_of"), ("zzz", "'zzz': choose among as_of, first_day")]
)
def test_an_unknown_parameter_fails_at_once_and_the_nearest_is_suggested(name, advice):
    with pytest.raises(AirflowFailException, match=advice):
        resolve(**{name: "2026-11-03"})


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_dag_knows_its_own_parameters(dags, dag_id):
    assert dags[dag_id].get_task("resolve_days").op_args[1] == list(dags[dag_id].params)


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        *(("etl", "as_of", value) for value in ("yesterday", "2026-13-01", "2026-11-03; rm -rf /", 20261103)),
        ("etl", "dry_run", "yes"),
        ("score", "model_version", "x; rm -rf /"),
        ("train", "horizons", "7 days"),
        ("train", "epochs", 0),
        ("train", "epochs", "3; rm -rf /"),
        ("train", "history_steps", 3),
        ("train", "auto_promote", "yes"),
    ],
)
def test_an_invalid_parameter_value_is_refused_before_any_task(dags, family, name, value):
    with pytest.raises(ParamValidationError, match=name):
        copy(dags[f"churn_{family}__living"].params).update({name: value})


def test_every_parameter_has_a_description(dags):
    for dag in dags.values():
        for name in dag.params:
            schema = dag.params.get_param(name).schema
            assert schema.get("title"), name
            assert schema.get("description_md"), name


# When runs are due


def next_run(dag, after: str):
    """The first scheduled run of a DAG after an instant, None for never."""
    restriction = TimeRestriction(earliest=datetime.fromisoformat(after), latest=None, catchup=True)
    return coerce_to_core_timetable(dag.timetable).next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)


@pytest.mark.parametrize(
    ("after", "due", "day"),
    [
        ("2026-11-20T12:00:00+00:00", "2026-11-21T08:00:00+00:00", "2026-11-20"),
        ("2026-07-20T12:00:00+00:00", "2026-07-21T07:00:00+00:00", "2026-07-20"),  # daylight saving
    ],
)
def test_the_nightly_run_starts_at_three_in_new_york_for_the_day_before(dags, after, due, day):
    run = next_run(dags["churn_etl__living"], after)
    assert run.run_after == datetime.fromisoformat(due)
    assert run.partition_key == day


@pytest.mark.parametrize("zone", [
    "UTC", "Europe/Berlin", "America/New_York", "Europe/London", "Europe/Athens", "Australia/Lord_Howe",
    "America/Santiago", "Asia/Beirut", "Antarctica/Troll", "Asia/Kolkata",
])  # fmt: skip
@pytest.mark.parametrize("night_at", [None, clock(23, 45)])
def test_every_night_of_two_years_has_its_own_run_wherever_clocks_change(zone, night_at):
    shop = SimpleNamespace(end_date=None, time_zone=zone, zone=ZoneInfo(zone), schedule=Schedule(night_at=night_at))
    timetable, info = coerce_to_core_timetable(churn_etl.nightly(shop)), None
    restriction = TimeRestriction(earliest=datetime(2026, 1, 1, 12, tzinfo=UTC), latest=None, catchup=True)
    found = []
    for _ in range(730):
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        run_day = info.run_after.astimezone(shop.zone).date()
        assert info.partition_key == str(run_day - timedelta(days=1)), run_day
        found.append(date.fromisoformat(info.partition_key))
    assert {(later - earlier).days for earlier, later in pairwise(found)} == {1}


def test_the_training_moves_with_the_night_into_the_next_day():
    late = SimpleNamespace(end_date=None, time_zone="UTC", schedule=Schedule(night_at=clock(22, 30)))
    restriction = TimeRestriction(earliest=datetime(2026, 11, 20, tzinfo=UTC), latest=None, catchup=True)
    timetable = coerce_to_core_timetable(common.every_sunday(late, 3))
    run = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert run.run_after == datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


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


def test_with_a_first_night_every_missed_night_is_caught_up(dags):
    dag = dags["churn_etl__living"]
    assert dag.catchup
    run = next_run(dag, dag.start_date.isoformat())
    assert (run.partition_key, run.run_after) == ("2026-11-10", datetime(2026, 11, 11, 8, tzinfo=UTC))
    assert not dags["churn_etl__online_retail"].catchup
    assert not dags["churn_score__living"].catchup


def test_every_dag_survives_serialization_with_its_deadline(dags):
    for dag in dags.values():
        DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert dags["churn_etl__living"].deadline
    assert dags["churn_score__living"].deadline


# Which model may score

MODEL = {
    "version": "lstm 1", "kind": "lstm", "gate_passed": True, "trained_through": "2026-11-20",
    "report": "living/r.html",
    "metrics": {"60d": {"n": 1234, "churn_rate": 0.5, "auroc": None, "log_loss": 0.61234, "ece": 0.02}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "following"),
    [({}, "approve"), ({"auto_promote": True}, "promote"), ({"register_only": True}, None), ({"dry_run": True}, None)],
)
def test_a_person_approves_unless_the_shop_trusts_the_gate_or_nothing_is_promoted(chosen, following):
    pushed = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    params = {"auto_promote": False, "register_only": False, "dry_run": False, **chosen}
    assert churn_train.gate.function(MODEL, params=params, ti=ti) == following
    assert bool(pushed) == bool(following)


def test_a_model_that_passed_no_gate_always_needs_approval():
    params = {"auto_promote": True, "register_only": False, "dry_run": False}
    ti = SimpleNamespace(xcom_push=lambda key, value: None)
    assert churn_train.gate.function({**MODEL, "gate_passed": False}, params=params, ti=ti) == "approve"


def test_a_model_with_too_few_outcomes_needs_approval():
    thin = {**MODEL, "gate_passed": False, "metrics": {"60d": {**MODEL["metrics"]["60d"], "is_judged": False}}}
    pushed = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    params = {"auto_promote": True, "register_only": False, "dry_run": False}
    assert churn_train.gate.function(thin, params=params, ti=ti) == "approve"
    assert "**cannot be judged at 60d**: too few customers churned or stayed" in pushed["text"]
    assert "no kind passed" not in pushed["text"]


def test_the_approval_names_refused_and_unjudged_horizons():
    metrics = {"30d": {"is_judged": True, "is_refused": True}, "60d": {"is_judged": False, "is_refused": True}}
    text = churn_train.describe_model({**MODEL, "gate_passed": False, "metrics": metrics})
    assert "**no kind passed the gate** and **cannot be judged at 60d**" in text


def test_the_approval_shows_the_metrics_and_the_report():
    text = churn_train.describe_model(MODEL)
    assert "**lstm 1** (lstm) has learned up to 2026-11-20 and passed the gate" in text
    assert "| 60d | 1,234 | 0.500 | – | – | 0.612 | 0.020 |" in text
    assert "/churn-reports/living/r.html" in text
    assert "no kind passed the gate" in churn_train.describe_model({**MODEL, "gate_passed": False})


def test_an_approval_times_out_as_a_rejection_after_the_shops_hours(dags):
    approve = dags["churn_train__living"].get_task("approve")
    assert approve.defaults == ["Reject"]
    assert approve.response_timeout == timedelta(hours=72)
    assert dags["churn_train__living"].get_task("promote").trigger_rule == "none_failed_min_one_success"


@pytest.mark.parametrize(("answer", "code"), [("Approve", 0), ("Reject", 0), ("Reject", 1)])
def test_a_rejection_is_noted_in_the_warehouse(dags, monkeypatch, tmp_path, answer, code):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/words\necho "error: no warehouse" >&2\nexit {code}\n')
    python.chmod(0o755)
    monkeypatch.setenv("CHURN_JOBS_PYTHON", str(python))
    monkeypatch.setattr(churn_train.ApprovalOperator, "execute_complete", lambda self, context, event: "done")
    approve = dags["churn_train__living"].get_task("approve")
    context = {"ti": SimpleNamespace(xcom_pull=lambda task: {"version": "lstm-1"} if task == "train" else None)}
    if code:
        with pytest.raises(AirflowException, match="lstm-1 cannot be noted as rejected: error: no warehouse"):
            approve.execute_complete(context, {"chosen_options": [answer]})
        return
    assert approve.execute_complete(context, {"chosen_options": [answer]}) == "done"
    asked = [file.read_text().split() for file in tmp_path.glob("words")]
    command = ["-m", "spark_jobs.warehouse", "reject", "--shop", approve.shop_file, "--version", "lstm-1"]
    assert asked == ([command] if answer == "Reject" else [])


# Several shops


@pytest.fixture
def use_shops(monkeypatch):
    """Lets the DAG files see other shops."""

    def use(folder: Path) -> None:
        monkeypatch.setenv("CHURN_SHOPS", str(folder))
        shops._read_shops.cache_clear()

    yield use
    shops._read_shops.cache_clear()


def write_shops(folder: Path, **changes: dict[str, str]) -> None:
    for name, replacements in changes.items():
        (folder / name).mkdir()
        write_shop(folder / name / "shop.toml", {"^name = .*": f'name = "{name}"', **replacements})


def test_a_faulty_shop_does_not_affect_the_dags_of_other_shops(tmp_path, use_shops):
    broken = {"^currency = .*": "currency = 3"}
    write_shops(tmp_path, good={}, bad=broken, other={"^name = .*": 'name = "good"'})
    use_shops(tmp_path)
    bag = DagBag()
    assert sorted(bag.dags) == sorted(f"{family}__good" for family in FAMILIES)
    ((file, text),) = bag.import_errors.items()
    assert file.endswith("shop_files.py")
    assert "currency: expected a currency code like GBP, found 3" in text
    assert "name 'good' is already used by" in text


def test_fifty_shops_are_read_in_less_than_a_second_a_file(tmp_path, use_shops):
    """By CPU time, which other work on the machine hardly lengthens."""
    write_shops(tmp_path, **{f"shop_{number}": {} for number in range(50)})
    use_shops(tmp_path)
    begin = time.process_time()
    made = [churn_etl.build_etl(shop) for shop in shops.find_shops()]
    assert len(made) == 50
    assert time.process_time() - begin < 1


def test_airflow_reads_no_file_that_defines_no_dag():
    """Its processor starts a process for each file, and so again and again. shop_files.py shows the errors of shops."""
    read = {Path(file).name for file in DagBag().file_last_changed}
    assert read == {"churn_etl.py", "churn_maintenance.py", "churn_score.py", "churn_train.py", "shop_files.py"}
