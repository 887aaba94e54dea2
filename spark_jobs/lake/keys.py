"""Run keys: the identity of what a partition is made from. The same key, the same content.

A key holds the input files, the settings that matter and the code that decides the content: `Table.code` names its
packages and modules. Of code only what can change a result counts, not its comments, docstrings, type hints and layout.
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

_PROJECT = Path(__file__).resolve().parents[2]


def hash_json(value: object) -> str:
    """The hash of a value of JSON types and days, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=date.isoformat)
    return sha256(text.encode()).hexdigest()


def make_run_key(table: Table, partition: str, inputs: Iterable[str], **settings: object) -> str:
    """The identity of a partition's content: everything that it is made from. Settings are JSON values or days."""
    whole = {"table": table.name, "partition": partition, "inputs": sorted(inputs), "code": code_hash(*table.code)}
    return hash_json({**whole, "settings": settings})


@cache
def code_hash(*names: str, project: Path = _PROJECT) -> str:
    """The hash of what these packages and modules do, named as in an import: a change of a formula is a new hash.

    Raises ValueError for a name that is neither.
    """
    files = sorted(file for name in names for file in _list_files(name, project))
    return hash_json([(str(file.relative_to(project)), _hash_code(file)) for file in files])


def product_hash() -> str:
    """The version of the whole product's code: of all that cleans, builds, trains and scores."""
    files = (file for package in ("spark_jobs", "training") for file in sorted((_PROJECT / package).rglob("*.py")))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _list_files(name: str, project: Path) -> list[Path]:
    folder = project.joinpath(*name.split("."))
    files = list(folder.rglob("*.py")) or [file for file in [folder.with_suffix(".py")] if file.exists()]
    if not files:
        raise ValueError(f"{name} is neither a package nor a module of this product")
    return files


def _hash_code(file: Path) -> str:
    return hash_json(_simplify(ast.parse(file.read_text(encoding="utf-8"))))


def _simplify(node: object) -> object:
    """A syntax tree as JSON values, alike in all versions of Python: fields that are empty are left out."""
    if isinstance(node, ast.AST):
        statements = getattr(node, "body", None)
        body = {"body": _skip_unused(statements)} if isinstance(statements, list) else {}
        # Python 3.12 and later add fields to old nodes; a value's type hints and kind of quotes change nothing.
        skipped = {"kind", "returns", "type_comment", *(["annotation"] if isinstance(node, ast.arg) else [])}
        fields = {name: body.get(name, value) for name, value in ast.iter_fields(node) if name not in skipped}
        kept = {name: _simplify(value) for name, value in fields.items() if value not in (None, [])}
        return [type(node).__name__, kept]
    if isinstance(node, list):
        return [_simplify(child) for child in node]
    return repr(node)


def _skip_unused(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without those that no result depends on: a string alone, which is a docstring or a comment, and what
    is declared as an Appearance."""
    return [
        statement
        for statement in body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not (isinstance(statement, ast.AnnAssign) and "Appearance" in ast.unparse(statement.annotation))
    ]
