"""What is a contender? A kind of model that may score a shop: one class, in a file of its own in contenders/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Appearance:
    """What people see of a contender: no probability and no run key depends on it.

    title          its name in reports
    colour, dash   of its lines in charts; the dash also tells methods apart in print and for colour-blind eyes
    """

    title: str
    colour: str
    dash: str


class Contender:
    """What all contenders declare. How they learn: estimator.RowContender, blend.BlendContender and contenders/lstm.py.

    kind   its name in files, tables and settings
    order  the simpler a contender, the lower: ties go to the simpler; between 2 and 3 stands 2.5
    parts  the kinds that it is a mean of; none: it learns by itself
    """

    kind: ClassVar[str]
    order: ClassVar[float]
    appearance: ClassVar[Appearance]
    parts: ClassVar[tuple[str, ...]] = ()
