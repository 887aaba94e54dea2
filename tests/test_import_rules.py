"""Import rules: those of .importlinter, and those that show only when modules are loaded in a clean interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def list_modules(package: str) -> list[str]:
    """Every module below a package, dotted."""
    files = (ROOT / package).rglob("*.py")
    return sorted(".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for f in files)


def import_in_clean_interpreter(modules: list[str], *flags: str) -> set[str]:
    """The top-level names of all that is loaded once these modules are imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport importlib\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")[-2].split())


def is_not_run_at_import(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef)


def imports_of(file: Path) -> list[tuple[str, bool]]:
    """Every imported module of a file, and whether the import stands inside a function or is for type checkers only."""
    tree = ast.parse(file.read_text())
    inner = {id(node) for parent in ast.walk(tree) if is_not_run_at_import(parent) for node in ast.walk(parent)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(f"{node.module}.{alias.name}", id(node) in inner) for alias in node.names]
    return found


def test_the_import_rules_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_contract_needs_the_standard_library_only():
    """Without site-packages (-S) any other import fails."""
    assert "spark_jobs" in import_in_clean_interpreter(list_modules("spark_jobs/contract"), "-I", "-S")


def test_training_imports_neither_spark_nor_airflow():
    loaded = import_in_clean_interpreter(list_modules("training"))
    assert "training" in loaded
    assert not loaded & {"pyspark", "airflow"}


@pytest.mark.parametrize("module", ["spark_jobs.lake.store", "spark_jobs.warehouse.connection"])
def test_modules_shared_with_training_import_no_spark(module):
    assert not import_in_clean_interpreter([module]) & {"pyspark", "airflow", "training"}


def test_only_churn_risk_imports_models_and_only_while_scoring():
    users = {}
    for file in (ROOT / "spark_jobs").rglob("*.py"):
        of_training = [(name, inner) for name, inner in imports_of(file) if name.split(".")[0] == "training"]
        if of_training:
            users[file.stem] = of_training
    assert set(users) == {"churn_risk"}
    assert all(inner for _, inner in users["churn_risk"]), "a top-level import would load TensorFlow in the driver"
    assert all(name.startswith("training.serving.scorer") for name, _ in users["churn_risk"]), users


def test_no_job_imports_rarely_needed_libraries_at_its_start():
    """Each of these is up to two seconds of processor time of every step of every night."""
    jobs = [f"spark_jobs.{file.stem}" for file in (ROOT / "spark_jobs").glob("*.py") if file.stem != "__init__"]
    seldom = {"adbc_driver_postgresql", "alembic", "mlflow", "scipy", "sklearn", "sqlalchemy", "tensorflow", "xgboost"}
    assert import_in_clean_interpreter(jobs) & seldom == set()


def test_no_step_after_the_scores_loads_what_only_a_training_needs():
    steps = ["training.drift", "training.expected_sales", "training.outcomes", "training.serving.scorer"]
    learners = {"adbc_driver_postgresql", "mlflow", "sklearn", "tensorflow", "xgboost"}
    assert import_in_clean_interpreter(steps) & learners == set()
