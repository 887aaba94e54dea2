"""Run keys: a hash of everything that a partition is made from. The same key means the same content.

A key covers the input files, the settings that affect the content, and the code that computes it: the packages and
modules named in `Table.code`, without comments, docstrings, type hints and formatting.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, churn_risk

_PROJECT = Path(__file__).resolve().parents[2]


def hash_json(value: object) -> str:
    """The hash of a value of JSON types and dates. The order of dictionary keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=date.isoformat)
    return sha256(text.encode()).hexdigest()


def make_run_key(table: Table, partition: str, inputs: Iterable[str], **settings: object) -> str:
    """The run key of a partition. Settings are JSON values or dates."""
    whole = {"table": table.name, "partition": partition, "inputs": sorted(inputs), "code": code_hash(*table.code)}
    return hash_json({**whole, "settings": settings})


@cache
def code_hash(*names: str, project: Path = _PROJECT) -> str:
    """The hash of the code of these packages and modules, named as in an import.

    Raises ValueError for a name that is neither a package nor a module.
    """
    files = sorted(file for name in names for file in _list_files(name, project))
    return hash_json([(str(file.relative_to(project)), _hash_code(file.read_text(encoding="utf-8"))) for file in files])


def hash_code_of_tables() -> None:
    """Computes what the run keys of all tables need, so that this process and those forked from it need not."""
    for table in (*EVENTS.values(), CUSTOMER_DAY, CUSTOMER_SERIES, churn_risk(())):
        code_hash(*table.code)


@cache
def product_hash() -> str:
    """The version of the product: a hash of all source files of spark_jobs and training, comments included."""
    files = (file for package in ("spark_jobs", "training") for file in sorted((_PROJECT / package).rglob("*.py")))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _list_files(name: str, project: Path) -> list[Path]:
    folder = project.joinpath(*name.split("."))
    files = list(folder.rglob("*.py")) or [file for file in [folder.with_suffix(".py")] if file.exists()]
    if not files:
        raise ValueError(f"{name} is neither a package nor a module of this product")
    return files


@cache  # tables share packages
def _hash_code(source: str) -> str:
    return hash_json(_simplify(ast.parse(source)))


def _simplify(node: object) -> object:
    """A syntax tree as JSON values that are the same in all versions of Python: empty fields are left out."""
    if isinstance(node, ast.AST):
        statements = getattr(node, "body", None)
        body = {"body": _skip_unused(statements)} if isinstance(statements, list) else {}
        # Python 3.12 and later add fields to existing nodes. Type hints and the kind of quotes do not affect results.
        skipped = {"kind", "returns", "type_comment", *(["annotation"] if isinstance(node, ast.arg) else [])}
        fields = {name: body.get(name, value) for name, value in ast.iter_fields(node) if name not in skipped}
        kept = {name: _simplify(value) for name, value in fields.items() if value not in (None, [])}
        return [type(node).__name__, kept]
    if isinstance(node, list):
        return [_simplify(child) for child in node]
    return repr(node)


def _skip_unused(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that results can depend on: all but bare strings (docstrings, comments) and variables that are
    annotated as Appearance."""
    return [
        statement
        for statement in body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not (isinstance(statement, ast.AnnAssign) and "Appearance" in ast.unparse(statement.annotation))
    ]
