"""The names of the formats of raw files: those of the files of `raw/formats/`, of which none is loaded for it."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules

_FOLDER = Path(__file__).parents[1] / "raw" / "formats"
FORMATS: tuple[str, ...] = tuple(sorted(module.name for module in iter_modules([str(_FOLDER)])))
