"""Every contender declares what files, reports and charts need of it; ties go to the simpler."""

from __future__ import annotations

import pytest

from training.models.blend import BlendContender
from training.models.contender import Contender
from training.models.contenders.bgnbd import BgNbd
from training.models.contenders.constant import Constant
from training.models.contenders.lstm import Lstm
from training.models.estimator import RowContender
from training.models.registry import BLENDS, CONTENDERS, KINDS, LEARNING_KINDS, blend_contender, row_contender
from training.reporting import charts, words


def test_contenders_are_ordered_simplest_first():
    assert KINDS == ("constant", "recency", "bgnbd", "logistic", "boosting", "lstm", "average", "blend")
    assert (CONTENDERS["constant"], CONTENDERS["bgnbd"], CONTENDERS["lstm"]) == (Constant, BgNbd, Lstm)
    assert len({one.order for one in CONTENDERS.values()}) == len(KINDS)


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=KINDS)
def test_every_contender_learns_and_has_a_name_and_colour(contender: type[Contender]):
    assert issubclass(contender, RowContender | BlendContender) or contender is Lstm
    assert bool(contender.parts) == issubclass(contender, BlendContender)
    assert set(contender.parts) <= set(LEARNING_KINDS)
    assert charts.style_of(contender.kind) == (contender.appearance.colour, contender.appearance.dash)
    assert words.NAMES[contender.kind] == contender.appearance.title != contender.kind


def test_no_two_contenders_share_a_name_or_style():
    for name in ("title", "colour", "dash"):
        assert len({getattr(one.appearance, name) for one in CONTENDERS.values()}) == len(KINDS), name


def test_a_kind_is_served_by_its_own_class_only():
    with pytest.raises(ValueError, match="lstm"):
        row_contender("lstm")
    with pytest.raises(ValueError, match="logistic"):
        blend_contender("logistic")
    assert set(BLENDS) == {"average", "blend"}
