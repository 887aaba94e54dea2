"""`churn init` and `churn check`: a shop.toml for raw files, and whether it describes them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from infra.cli.closing import Closing, describe_duration, describe_training, name_shop
from infra.cli.running import Output, Stopped, run_job
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from infra.local.recipes import find_recipe
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import read_identity
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.toml_section import Faults, Section

VALID = {"name": "shop", "time_zone": "UTC", "currency": "EUR"}


def describe_files(files: Sequence[Path], like: str | None, options: Mapping[str, Any], output: Output) -> None:
    """Writes the shop.toml and checks it. What check finds ends the command with 1, because a person has to go on."""
    begin = time.monotonic()
    path = find_target(files, options["to"])
    require_valid(like, options)
    given = [
        word
        for name, value in {"like": like, **options, "to": path}.items() if value
        for word in (f"--{name.replace('_', '-')}", value)
    ]  # fmt: skip
    try:
        last_day = run_check("infra.local.init", *(file.resolve() for file in files), *given, output=output)
    except click.exceptions.Exit:
        if path.exists():  # check has findings
            shop = find_shop(str(path), read_settings())
            close(path, begin, f"churn check {name_shop(shop)}, after each correction, until it finds nothing", output)
        raise
    except KeyboardInterrupt:
        if path.exists():
            raise Stopped(f"stopped; {path} is written: churn check --shop {path} continues") from None
        raise
    close(path, begin, describe_training(find_shop(str(path), read_settings()), last_day), output)


def find_target(files: Sequence[Path], given: Path | None) -> Path:
    """The shop.toml to write. Raises ChurnError if it exists, or if a raw file does not."""
    if missing := [str(file) for file in files if not file.exists()]:
        raise ChurnError(f"there is no {', '.join(missing)}")
    first = files[0].resolve()
    path = (given or (first if first.is_dir() else first.parent) / "shop.toml").resolve()
    if path.exists():
        raise ChurnError(f"{path} exists: give another file with --to, or remove it")
    if not path.parent.is_dir():
        raise ChurnError(f"there is no folder {path.parent}")
    return path


def require_valid(like: str | None, options: Mapping[str, Any]) -> None:
    """Raises ChurnError for an unknown recipe, or a name, time zone or currency that no shop can have."""
    if like:
        find_recipe(like)
    faults = Faults()
    read_identity(Section(VALID | {name: options[name] for name in VALID if options[name]}, "", faults))
    if faults.lines:
        parts = (line.partition(":") for line in faults.lines)
        raise ChurnError("; ".join(f"--{key.replace('_', '-')}:{text}" for key, _, text in parts))


def close(path: Path, begin: float, next_step: str, output: Output) -> None:
    closing = Closing(data={"file": path, "next": next_step})
    closing.add("init", f"done in {describe_duration(begin)}; a guess can be wrong, so read each line")
    closing.add("file", path)
    closing.add("next", next_step)
    closing.show(output)


def check_shop(given: str | None, output: Output) -> None:
    begin, shop = time.monotonic(), find_shop(given, read_settings())
    last_day = run_check("spark_jobs.check", shop.path.resolve(), shop=shop, output=output)
    closing = Closing(data={"shop": shop.name, "last_day": last_day})
    closing.add("check", f"{shop.name}: nothing to correct, in {describe_duration(begin)}; nothing was written")
    closing.add("next", describe_training(shop, last_day))
    closing.show(output)


def run_check(module: str, *arguments: object, output: Output, shop: Shop | None = None) -> date | None:
    """Runs a module that checks a shop; returns the day of its newest event."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        run_job(module, *arguments, "--result", result, output=output, shop=shop)
        last_day = json.loads(result.read_text())["last_day"]
    return date.fromisoformat(last_day) if last_day else None
