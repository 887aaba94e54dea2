"""The base class of contenders, the kinds of model that may score a shop. Each has its own file in contenders/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Appearance:
    """How a contender is shown in reports. Probabilities and run keys do not depend on it.

    title         its name
    colour, dash  the style of its lines in charts; the dash distinguishes methods in print and for colour-blind readers
    """

    title: str
    colour: str
    dash: str


class Contender:
    """What all contenders declare. Training is in estimator.RowContender, blend.BlendContender and contenders/lstm.py.

    kind   its name in files, tables and settings
    order  lower for simpler contenders, to which ties go; fractions like 2.5 are allowed
    parts  the kinds that a blend averages; empty for a contender that is trained by itself
    """

    kind: ClassVar[str]
    order: ClassVar[float]
    appearance: ClassVar[Appearance]
    parts: ClassVar[tuple[str, ...]] = ()
