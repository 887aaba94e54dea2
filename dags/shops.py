"""Which shops get DAGs, and which shop.toml files are faulty?

A shop whose file is faulty has no DAGs; the other shops keep theirs. shop_files.py shows the errors in Airflow.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop


def find_shops() -> list[Shop]:
    """The shops named in the settings whose files are valid. For a folder: every shop.toml below it."""
    return _read_shops()[0]


def find_faults() -> list[str]:
    """The errors of the files that are not valid, one text per file."""
    return _read_shops()[1]


def _find_files() -> list[Path]:
    paths = Settings.from_environment().shops
    return [file for path in paths for file in (sorted(path.rglob("shop.toml")) if path.is_dir() else [path])]


@cache  # once per process: Airflow parses DAGs in a new process each time
def _read_shops() -> tuple[list[Shop], list[str]]:
    shops: dict[str, Shop] = {}
    faults = []
    for file in _find_files():
        try:
            shop = load_shop(file)
        except ChurnError as error:
            faults.append(str(error))
            continue
        if shop.name in shops:
            faults.append(f"{file}: name {shop.name!r} is already used by {shops[shop.name].path}")
        shops.setdefault(shop.name, shop)
    return list(shops.values()), faults
