"""Writes the shop.toml of an export, by the recipe of a known shop system or by guesses, and checks it.

    python -m infra.local.init [--like shopify] orders_export_1.csv
                               [--name NAME] [--currency EUR] [--time-zone Europe/Berlin] [--to SHOP.toml]

infra/recipes has a recipe for each known system. Without --like, the one is taken whose columns the files have. If
there is none, guess.py takes columns for what their names and first records look like, and writes the evidence above
each. What differs from shop to shop is read off the files, or given by the options; every line of the file can be
edited afterwards.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.guess import guess_source
from infra.local.recipes import find_like, find_recipe, list_recipes
from spark_jobs.check import MOST_FILES, check_shop
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.path_days import propose, write_setting
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.shop.toml_section import time_zones
from spark_jobs.contract.shop.toml_text import quote
from spark_jobs.raw.reader import Intake, read_records
from spark_jobs.runtime.command import add_result, run_command, write_result
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.runtime.session import open_session

FIRST_RECORDS = 5000


@dataclass(frozen=True)
class Guess:
    """What a key of shop.toml is to be, and why."""

    key: str
    value: str
    why: str


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the export, or a folder of it")
    known = f"{', '.join(list_recipes())}; by default the one whose columns the files have, else columns are guessed"
    parser.add_argument("--like", metavar="RECIPE", help=known)
    parser.add_argument("--name", help="of the shop, of a-z, 0-9 and _; by default that of the files' folder")
    parser.add_argument("--currency", help="of the shop, like EUR; by default the most frequent one of the file")
    parser.add_argument("--time-zone", help="of the shop, like Europe/Berlin; by default this machine's")
    parser.add_argument("--to", type=Path, metavar="SHOP.toml", help="by default shop.toml beside the files")
    arguments = add_result(parser).parse_args(argv)
    files = find_files(arguments.files)
    like = arguments.like or find_like(files)
    recipe = find_recipe(like) if like else None
    path = (arguments.to or files[0].parent / "shop.toml").resolve()
    if path.exists():
        raise ChurnError(f"{path} exists: give another file with --to, or remove it")
    guesses = write_shop(path, recipe, files, arguments.name, arguments.currency, arguments.time_zone)
    console = make_rich_console()
    show(console, path, like, guesses)
    settings = Settings.from_environment()
    last_day = check_shop(partial(open_session, "init", settings), load_shop(path), settings, console, MOST_FILES)
    write_result(arguments.result, {"last_day": last_day})


def write_shop(
    path: Path,
    recipe: Path | None,
    files: Sequence[Path],
    name: str | None,
    currency: str | None,
    time_zone: str | None,
) -> list[Guess]:
    """Writes the shop.toml at `path`; returns what it guessed of the shop. None: guess recipe, name, currency, zone."""
    draft = recipe.read_text() if recipe else draft_shop(files, path.parent)
    source = next(iter((load_shop(recipe) if recipe else read_draft(draft, files[0].parent)).sources.values()))
    guesses = [guess_name(name, files), guess_zone(time_zone), *guess_currency(currency, source, files)]
    if recipe:
        guesses += guess_files(files, path.parent)
    elif guesses[-1].key != "currency":
        guesses.append(Guess("currency", "EUR", "no column says it: give --currency"))
    path.write_text(fill_in(draft, guesses))
    return guesses


def draft_shop(files: Sequence[Path], folder: Path) -> str:
    """A shop.toml for files of no known system, with a source for each kind of file; to be filled in.

    Raises ChurnError where the files do not say who buys or visits, or two kinds of file hold the same log.
    """
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kinds.setdefault(re.sub(r"\d+", "", file.name), []).append(file)
    sources: dict[str, str] = {}
    for alike in kinds.values():
        place = [f"{one.key} = {one.value if one.key == 'delivery_day' else quote(one.value)}"
                 for one in guess_files(alike, folder)]  # fmt: skip
        log, text = guess_source(alike[0], place)
        if log in sources:
            raise ChurnError(f"{alike[0].name} looks like {log}, as other files do: give the files of one kind only")
        sources[log] = text
    if set(sources) == {"reviews"}:
        raise ChurnError("reviews alone do not show who stays: give the file of purchases or of visits too")
    activity = "" if "purchases" in sources else '\n[churn]\nactivity = "visit"\n'
    top = ("# Guessed by churn init: read each line, and run churn check until it has no more findings.\n"
           'name = "shop"\ntime_zone = "UTC"\ncurrency = "EUR"\n')  # fmt: skip
    return "\n".join([top, *sources.values()]) + activity


def find_files(paths: Sequence[Path]) -> list[Path]:
    """All files, those of folders included, in their order; all lie in one folder."""
    found = []
    for path in map(Path.resolve, paths):
        if not path.exists():
            raise ChurnError(f"there is no {path}")
        within = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [file for file in within if file.is_file() and file.name != "shop.toml" and file.name[0] != "."]
    if not found:
        raise ChurnError(f"no file in {', '.join(map(str, paths))}")
    if len({file.parent for file in found}) > 1:
        raise ChurnError("the files are in several folders: put them into one folder, and give that folder")
    return found


def guess_name(given: str | None, files: Sequence[Path]) -> Guess:
    if given:
        return Guess("name", given, "--name")
    name = re.sub(r"[^a-z0-9]+", "_", files[0].parent.name.lower()).strip("_")
    return Guess("name", name if re.match("[a-z]", name) else f"shop_{name}".rstrip("_"), "the files' folder")


def guess_zone(given: str | None) -> Guess:
    if given:
        return Guess("time_zone", given, "--time-zone")
    link = os.path.realpath("/etc/localtime").rpartition("zoneinfo/")[2]
    zone = next((zone for zone in (os.environ.get("TZ"), link) if zone in time_zones()), None)
    if zone:
        return Guess("time_zone", zone, "this machine's; --time-zone says another one")
    return Guess("time_zone", "UTC", "nothing says it: give --time-zone")


def guess_files(files: Sequence[Path], folder: Path) -> list[Guess]:
    """Where the files are, a pattern that fits all of them, and the day in their names where each has one.

    One file alone is a first dump: the day in its name is that of its export.
    """
    place = os.path.relpath(files[0].parent, folder)
    names = [file.name for file in files]
    pattern = names[0] if len(names) == 1 else _find_pattern(names)
    guesses = [Guess("location", place, "the files' folder"), Guess("files", pattern, f"{len(names):,} files")]
    readings = propose(names) if len(names) > 1 else []
    if len(readings) == 1:  # check asks where day and month may be either
        setting = write_setting(*readings[0]).partition(" = ")[2]
        guesses.append(Guess("delivery_day", setting, "each file names a day"))
    return guesses


def _find_pattern(names: Sequence[str]) -> str:
    """The first name with a star for its numbers, if all names are like it; else all files with its ending."""
    pattern = re.sub(r"\d+([-_. ]?\d+)*", "*", names[0])
    is_like_all = all(fnmatch.fnmatchcase(name, pattern) for name in names)
    return pattern if is_like_all else "*" + "".join(Path(names[0]).suffixes)


def read_draft(text: str, folder: Path) -> Shop:
    """The shop of a shop.toml that is still to be filled in."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml", dir=folder) as draft:
        draft.write(text)
        draft.flush()
        return load_shop(Path(draft.name))


def guess_currency(given: str | None, source: Source, files: Sequence[Path]) -> list[Guess]:
    """The most frequent currency of the first file; nothing where no column holds it."""
    if given:
        return [Guess("currency", given, "--currency")]
    mapping = source.columns.get("currency")
    if mapping is None or mapping.column is None:
        return []
    place = source.raw_columns.index(mapping.column)
    records = islice(read_records(Intake(source, str(files[0].parent), ""), files[0].name), FIRST_RECORDS)
    words = (record.values[place] for record in records if record.values)
    counts = Counter(word.upper() for word in words if word)
    return [Guess("currency", word, f"{count:,} records of {files[0].name}") for word, count in counts.most_common(1)]


def fill_in(text: str, guesses: Sequence[Guess]) -> str:
    """The recipe's text with these values: those of the shop before the first table, those of files in every source."""
    values = {guess.key: guess.value if guess.key == "delivery_day" else quote(guess.value)
              for guess in guesses}  # fmt: skip
    lines, allowed = [], {"name", "time_zone", "currency"}
    for line in text.splitlines():
        if line.startswith("["):
            allowed = {"location", "files"} if line.startswith("[sources.") else set()
        key = line.partition(" =")[0]
        is_set = key in allowed and key in values
        lines.append(f"{key} = {values[key]}" if is_set else line)
        if key == "files" and is_set and "delivery_day" in values:
            lines.append(f"delivery_day = {values['delivery_day']}")
    return "\n".join(lines) + "\n"


def show(console: Console, path: Path, recipe: str | None, guesses: Sequence[Guess]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for guess in guesses:
        table.add_row(guess.key, guess.value, guess.why)
    like = f"like {recipe}" if recipe else "its columns guessed, with the evidence above each"
    console.print(f"{path}, {like}:", markup=False, soft_wrap=True)
    console.print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
