"""The recipes of infra/recipes: shop.toml files for the exports of known shop systems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.toml_section import nearest
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.reader import Intake

RECIPES = Path(__file__).parents[1] / "recipes"
SURELY_LIKE = 6  # the fewest columns of a recipe that files share only if they come from that system


def list_recipes() -> list[str]:
    return sorted(folder.parent.name for folder in RECIPES.glob("*/shop.toml"))


def find_recipe(name: str) -> Path:
    known = list_recipes()
    if name not in known:
        raise ChurnError(f"no recipe {name!r}{nearest(name, known)}; choose among {', '.join(known)}")
    return RECIPES / name / "shop.toml"


def find_like(files: Sequence[Path]) -> str | None:
    """The recipe of the most columns that reads each kind of these files as it is; None if none does."""
    kinds = {re.sub(r"\d+", "", file.name): file for file in files}
    fits = {name: min(count_columns(name, file) for file in kinds.values()) for name in list_recipes()}
    best = max(fits, key=lambda name: (fits[name], -len(name)))
    return best if fits[best] >= SURELY_LIKE else None


def count_columns(recipe: str, file: Path) -> int:
    """How many columns of a recipe the file has; 0 unless it has all."""
    sources = load_shop(find_recipe(recipe)).sources.values()
    names = {name for source in sources for name in source.raw_columns}
    for source in sources:
        found = inspect_file(Intake(source, str(file.parent), ""), file.name)
        if found.problem or not found.match or not found.match.is_whole or found.match.layout.absent:
            return 0
    return len(names)
