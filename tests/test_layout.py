"""Do the folders show the architecture? Short files, no circles, tests beside their sources, no name of a lost file."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PACKAGES = ("spark_jobs", "training", "dags", "infra")
MOST_LINES = 250
#: What needs Airflow is tested beside the DAGs, in its environment.
AIRFLOW_TESTS = {
    "tests/dags/test_airflow_metadata.py": "infra/local/airflow_metadata.py",
    "tests/dags/test_churn_plugin.py": "infra/airflow/plugins/churn_plugin.py",
    "tests/dags/test_task_api.py": "infra/local/task_api.py",
}
#: Tests that span packages, and of the whole product.
SPANNING = ("flows", "faults", "cases", "onboarding", "end_to_end", "airflow")
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = sorted(file for file in (*ROOT.glob("*.md"), *(ROOT / "infra").rglob("*.md")))


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_file_is_longer_than_250_lines():
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in SOURCES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def imports_of(file: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of this product that a file imports, wherever the import stands and if only for types."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            deep = [name for alias in node.names if (name := f"{node.module}.{alias.name}") in modules]
            yield from deep
            if len(deep) < len(node.names) and node.module in modules:
                yield node.module


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, each imported by the one before it; empty where there is none."""
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        found = next((circle for other in sorted(imports[module]) if (circle := follow(other, [*path, module]))), [])
        done.add(module)
        return found

    return next((circle for module in sorted(imports) if (circle := follow(module, []))), [])


def test_no_files_import_each_other_in_a_circle():
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in SOURCES
    }
    imports = {module: set(imports_of(file, modules)) - {module} for module, file in modules.items()}
    assert find_circle(imports) == []
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def is_beside_its_source(test: Path) -> bool:
    """Whether the test of a module, of a package or of a package's command lies at the same place below tests/."""
    folder, name = ROOT / test.parent.relative_to(ROOT / "tests"), test.stem.removeprefix("test_")
    places = folder / f"{name}.py", folder / f"__{name}__.py", folder / name
    return name == folder.name or any(place.exists() for place in places)


def test_every_test_mirrors_its_source_or_spans_packages():
    parts = {test: test.relative_to(ROOT / "tests").parts for test in TESTS if test.name.startswith("test_")}
    tests = [test for test, (*folders, _) in parts.items() if folders and folders[0] not in SPANNING]
    assert len(tests) > 50
    assert [
        name for test in tests if (name := name_of(test)) not in AIRFLOW_TESTS and not is_beside_its_source(test)
    ] == []
    assert all((ROOT / source).exists() for source in AIRFLOW_TESTS.values())


def comments_of(file: Path) -> str:
    """All docstrings and comments of a Python file."""
    text = file.read_text()
    nodes = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    )
    comments = (token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)
                if token.type == tokenize.COMMENT)  # fmt: skip
    return "\n".join([*(ast.get_docstring(node) or "" for node in nodes), *comments])


def test_no_comment_names_a_missing_file():
    paths = [f"/{name_of(file)}" for file in (*SOURCES, *TESTS)]
    texts = {name_of(file): comments_of(file) for file in (*SOURCES, *TESTS)}
    texts |= {name_of(file): file.read_text() for file in TEXTS}
    gone = {
        name: missing
        for name, text in texts.items()
        if (missing := [
            name for name in re.findall(r"(?<![\w/.*-])(?:[a-z_0-9]+/)*[a-z_0-9]+\.py\b", text)
            if not any(path.endswith(f"/{name}") for path in paths)
        ])
    }  # fmt: skip
    assert gone == {}
