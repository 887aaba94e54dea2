"""Which shops get DAGs, and which shop.toml cannot have any?

A faulty file costs its own shop its DAGs and nobody else: shop_files.py shows it as an import error.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop


def find_shops() -> list[Shop]:
    """The shops named in the settings whose files are sound; a folder stands for every shop.toml below it."""
    return _read_shops()[0]


def find_faults() -> list[str]:
    """What is wrong with the others, each with all its faults."""
    return _read_shops()[1]


def _find_files() -> list[Path]:
    paths = Settings.from_environment().shops
    return [file for path in paths for file in (sorted(path.rglob("shop.toml")) if path.is_dir() else [path])]


@cache  # a process parses one state of the files; Airflow parses in processes of their own
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
            faults.append(f"{file}: name {shop.name!r} is that of {shops[shop.name].path} already")
        shops.setdefault(shop.name, shop)
    return list(shops.values()), faults
