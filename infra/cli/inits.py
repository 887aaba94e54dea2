"""`churn init`: a shop.toml for raw files, and its check."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from infra.cli.closing import Closing, describe_duration, name_shop
from infra.cli.running import Output, Stopped, run_job
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from infra.local.recipes import find_recipe
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import read_identity
from spark_jobs.contract.shop.toml_section import Faults, Section

VALID = {"name": "shop", "time_zone": "UTC", "currency": "EUR"}


def describe_files(files: Sequence[Path], like: str | None, options: Mapping[str, Any]) -> None:
    """Writes the shop.toml and checks it. What check finds ends the command with 1, because a person has to go on."""
    begin = time.monotonic()
    path = find_target(files, options["to"])
    require_valid(like, options)
    given = [
        word
        for name, value in {"like": like, **options, "to": path}.items() if value
        for word in (f"--{name.replace('_', '-')}", value)
    ]  # fmt: skip
    output = Output()
    try:
        run_job("infra.local.init", *(file.resolve() for file in files), *given, output=output)
    except click.exceptions.Exit:
        if path.exists():  # check has findings
            close_init(path, "not ready yet: read each line, and correct what check has found", begin)
        raise
    except KeyboardInterrupt:
        if path.exists():
            raise Stopped(f"stopped; {path} is written: churn check --shop {path} continues") from None
        raise
    close_init(path, "ready: read each line, because a guess can be wrong", begin)


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


def close_init(path: Path, state: str, begin: float) -> None:
    shop = find_shop(str(path), read_settings())
    closing = Closing()
    closing.add("init", f"{shop.name}: {state}, in {describe_duration(begin)}")
    closing.add("file", path)
    closing.add("next", f"churn check {name_shop(shop)}, until it has no more findings; then churn train")
    closing.show(Output())
