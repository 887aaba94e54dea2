"""Finds shops by name. CHURN_HOME/shops.json remembers each shop that a command was given, and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from infra.local.shops import DEMO_SHOPS
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.toml_section import nearest

FILE_NAME = "shops.json"


def find_shop(given: str | None, settings: Settings) -> Shop:
    """The shop of this name, file or folder; without one, the shop that was used last.

    Raises ChurnError with the nearest known name if there is no such shop.
    """
    shop = load_shop(find_shop_file(given, settings))
    remember_shop(shop, settings)
    return shop


def find_shop_file(given: str | None, settings: Settings) -> Path:
    known = list_shops(settings)
    if not given:
        if not known:
            raise ChurnError("there is no shop yet: try `churn demo`, or create your own with `churn init FILE…`")
        return next(iter(known.values()))
    path = Path(given)
    if path.is_dir() and (path / "shop.toml").exists():
        return path / "shop.toml"
    if path.is_file():
        return path
    if path.suffix == ".toml" or os.sep in given:
        raise ChurnError(f"there is no file {given}")
    known |= {file.parent.name: file for file in DEMO_SHOPS.glob("*/shop.toml") if file.parent.name not in known}
    if given not in known:
        raise ChurnError(f"no shop {given!r}{nearest(given, known)}; choose among {', '.join(sorted(known))}")
    return known[given]


def list_shops(settings: Settings) -> dict[str, Path]:
    """Name to file: the shops that were used, the last one first, then those of CHURN_SHOPS."""
    used = sorted(_read(settings).items(), key=lambda entry: -entry[1]["used_at"])
    found = {name: Path(entry["path"]) for name, entry in used if Path(entry["path"]).is_file()}
    for file in _list_configured(settings):
        found.setdefault(load_shop(file).name, file)
    return found


def remember_shop(shop: Shop, settings: Settings) -> None:
    """Makes this the shop that was used last. A folder that cannot be written is no error: only a default is lost."""
    entries = _read(settings) | {shop.name: {"path": str(shop.path.resolve()), "used_at": time.time()}}
    file = settings.home / FILE_NAME
    draft = file.with_name(f"{FILE_NAME}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(entries, indent=1))
        draft.rename(file)
    except OSError:
        return


def _list_configured(settings: Settings) -> Iterator[Path]:
    for path in settings.shops:
        yield from sorted(path.rglob("shop.toml")) if path.is_dir() else [path]


def _read(settings: Settings) -> dict[str, dict]:
    try:
        return json.loads((settings.home / FILE_NAME).read_text())
    except (OSError, ValueError):
        return {}
