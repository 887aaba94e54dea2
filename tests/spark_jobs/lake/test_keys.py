"""Does a run key change with everything that the content of its table depends on, and with nothing else?"""

from __future__ import annotations

import ast
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.tables import (
    CUSTOMER_DAY,
    CUSTOMER_SERIES,
    EVENTS,
    PURCHASES,
    TRAINING_SERIES,
    churn_risk,
    quarantine,
)
from spark_jobs.lake.keys import code_hash, make_run_key
from training.config import MODEL_CODE

ROOT = Path(__file__).resolve().parents[3]
SCORES = churn_risk([30])
CODE = {
    "events": PURCHASES.code,
    "days": CUSTOMER_DAY.code,
    "series": CUSTOMER_SERIES.code,
    "scores": SCORES.code,
    "model": MODEL_CODE,
}


def test_a_run_key_depends_on_everything_that_changes_the_content():
    key = make_run_key(CUSTOMER_DAY, "2011-09-05", ["f1", "f2"], model="m1", key_id="k", until=date(2011, 9, 6))
    assert len(key) == 64
    assert key == make_run_key(
        CUSTOMER_DAY, "2011-09-05", iter(["f2", "f1"]), until=date(2011, 9, 6), key_id="k", model="m1"
    )
    others = [
        make_run_key(ACCOUNTS, "2011-09-05", ["f1", "f2"], model="m1", key_id="k", until=date(2011, 9, 6)),
        make_run_key(CUSTOMER_DAY, "2011-09-06", ["f1", "f2"], model="m1", key_id="k", until=date(2011, 9, 6)),
        make_run_key(CUSTOMER_DAY, "2011-09-05", ["f1", "f2", "f3"], model="m1", key_id="k", until=date(2011, 9, 6)),
        make_run_key(CUSTOMER_DAY, "2011-09-05", ["f1f2"], model="m1", key_id="k", until=date(2011, 9, 6)),
        make_run_key(CUSTOMER_DAY, "2011-09-05", ["f1", "f2"], model="m2", key_id="k", until=date(2011, 9, 6)),
        make_run_key(CUSTOMER_DAY, "2011-09-05", ["f1", "f2"], model="m1", key_id="k", until=date(2011, 9, 7)),
    ]
    assert len({key, *others}) == 7


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the product's code."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("spark_jobs", "training"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def find_changed(project: Path, path: str, text: str) -> set[str]:
    """The keys that change if this file gets this text."""
    file = project / path
    before, original = hash_all(project), file.read_text()
    file.write_text(text)
    try:
        return {name for name, value in hash_all(project).items() if value != before[name]}
    finally:
        file.write_text(original)


def hash_all(project: Path) -> dict[str, str]:
    code_hash.cache_clear()
    return {name: code_hash(*names, project=project) for name, names in CODE.items()}


@pytest.mark.parametrize(
    "path",
    [
        "spark_jobs/raw/reader.py",
        "spark_jobs/customer_day.py",
        "training/tensors/grid.py",
        "training/serving/scorer.py",
    ],
)
def test_comments_docstrings_and_formatting_change_no_key(project, path):
    """All of them at once: the file as its syntax tree reads without them."""
    source = (project / path).read_text()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body = [*node.body[1:]] or [ast.Pass()]
    plain = ast.unparse(ast.fix_missing_locations(tree))
    assert plain != source
    assert find_changed(project, path, plain) == set()
    assert find_changed(project, path, f"# a new comment\n{source}") == set()


@pytest.mark.parametrize(
    "path",
    ["training/reporting/charts.py", "training/reporting/report.py", "spark_jobs/night_report.py",
     "spark_jobs/contract/rejections.py", "spark_jobs/runtime/command.py", "spark_jobs/warehouse/schema/views.py"],
)  # fmt: skip
def test_displayed_texts_change_no_key(project, path):
    assert find_changed(project, path, (project / path).read_text() + "\nNEW_COLOUR = 'red'\n") == set()


def test_a_contenders_name_and_colour_change_no_key(project):
    path = "training/models/contenders/logistic.py"
    source = (project / path).read_text()
    assert (
        find_changed(project, path, re.sub(r'= Appearance\("[^"]+", "[^"]+"', '= Appearance("LR", "red"', source))
        == set()
    )
    assert find_changed(project, path, source.replace("order = 4", "order = 40")) == {"scores", "model"}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("spark_jobs/raw/hashing.py", {"events"}),
        ("spark_jobs/cleaning/sentiment.py", {"events"}),
        ("spark_jobs/customer_day.py", {"days"}),
        ("spark_jobs/contract/windows.py", {"series", "model"}),
        ("training/tensors/grid.py", {"scores", "model"}),
        ("training/models/contenders/bgnbd.py", {"scores", "model"}),
        ("training/evaluation/metrics.py", {"model"}),
        ("training/serving/reason_choice.py", {"scores"}),
    ],
)
def test_a_changed_formula_changes_the_keys_that_depend_on_it(project, path, changed):
    assert find_changed(project, path, change_a_value((project / path).read_text())) == changed


def change_a_value(source: str) -> str:
    """The source with another value for its innermost number or text that is no docstring."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    values = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    values = [node for node in values if type(node.value) in (int, float, str)]
    values[-1].value = f"other {values[-1].value}" if isinstance(values[-1].value, str) else values[-1].value + 1
    return ast.unparse(tree)


def test_every_table_that_a_job_builds_names_code_that_exists():
    for table in (*EVENTS.values(), *map(quarantine, EVENTS), CUSTOMER_DAY, TRAINING_SERIES, CUSTOMER_SERIES, SCORES):
        assert table.code
        assert code_hash(*table.code)
    with pytest.raises(ValueError, match="nowhere"):
        code_hash("spark_jobs.nowhere")
