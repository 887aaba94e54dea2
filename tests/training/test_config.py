"""The [model] table of shop.toml: overrides are used, and all faults are reported together."""

from __future__ import annotations

import pytest

from spark_jobs.contract.errors import ShopFileError
from tests.training.series import make_shop
from training.config import ModelSettings


def test_a_shop_overrides_only_the_settings_it_names():
    settings = ModelSettings.from_shop(make_shop(epochs=3, dropout=0))
    assert (settings.epochs, settings.dropout) == (3, 0.0)
    assert isinstance(settings.dropout, float)
    assert settings.folds == ModelSettings().folds


def test_settings_are_restored_from_their_description():
    settings = ModelSettings(learning_rate=0.005, seed=11)
    assert ModelSettings.from_mapping(settings.as_dict(), "test") == settings


def test_every_fault_is_reported_with_the_nearest_name():
    with pytest.raises(ShopFileError) as error:
        ModelSettings.from_shop(make_shop(epoch=3, lstm_units=0, dropout="high", folds=2.5, seed=True))
    message = str(error.value)
    assert "5 faults" in message
    assert "did you mean 'epochs'?" in message
    assert "model.lstm_units: expected a whole number from 1 to 512, found 0" in message
    for key in ("dropout", "folds", "seed"):
        assert f"model.{key}: expected" in message
