"""The settings of a model and its training, with the reasons for their defaults.

A shop overrides them in shop.toml, table [model]. The definition of churn (horizons, activity, eligibility) is not a
model setting: see `contract.windows.ChurnDefinition`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from spark_jobs.contract.errors import ShopFileError
from spark_jobs.contract.shop.model import Shop

#: The packages whose code determines the result of a training, for its run key, as in Table.code.
MODEL_CODE = (
    "training.config", "training.tensors", "training.models", "training.selection", "training.evaluation",
    "spark_jobs.contract.windows",
)  # fmt: skip


def _setting(default: int | float, low: float, high: float):
    """A field with its allowed range; an int default allows whole numbers only."""
    return field(default=default, metadata={"low": low, "high": high})


def _choice(default: str, *others: str):
    """A field with a fixed set of values."""
    return field(default=default, metadata={"words": (default, *others)})


@dataclass(frozen=True)
class ModelSettings:
    """Defaults were measured on Online Retail and CDNOW (see infra/docs/explanation/architecture.md).

    step_days          days per time step; weekly steps cost a seventh of daily ones and rank equally well
    history_steps      time steps that the network sees; totals and decaying inputs still cover earlier steps
    cell               the layer over the time steps; the alternatives to lstm exist for comparison
    lstm_units         width of the recurrent state
    head               hazard: one survival curve, from which all horizons are read; horizon: one output per horizon
    interval_days      longest interval of the hazards; every horizon ends one. With shorter intervals a young shop
                       has too few days to learn the later hazards from
    pretrain_epochs    epochs of self-supervised pretraining, in which the cell predicts the next step
    dropout            share of the head's inputs dropped in training
    learning_rate      initial rate of AdamW, with cosine decay to zero
    weight_decay       of AdamW
    clip_norm          largest norm of the gradients: keeps the recurrence stable
    batch_size         smallest number of customers per gradient step: small shops need many steps, not large batches
    epoch_steps        largest number of gradient steps per epoch; larger shops use larger batches
    epochs, patience   largest number of epochs; epochs without a better held-out loss before early stopping
    folds              folds by customer: each candidate is the mean of this many models
    calibration_days   the calibration and its drift are fitted on closed labels of this many most recent days
    validation_days    the scoring kind is chosen on closed labels of this many most recent days; one month of a small
                       shop would be too noisy
    baseline_rows      largest number of rows for a baseline; larger shops are sampled by customer
    seed               seed of all random numbers
    """

    step_days: int = _setting(7, 1, 28)
    history_steps: int = _setting(104, 4, 1000)
    cell: str = _choice("lstm", "gru", "rnn", "cnn", "dense")
    lstm_units: int = _setting(16, 1, 512)
    head: str = _choice("hazard", "horizon")
    interval_days: int = _setting(30, 1, 3650)
    pretrain_epochs: int = _setting(0, 0, 1000)
    dropout: float = _setting(0.2, 0.0, 0.9)
    learning_rate: float = _setting(1e-2, 1e-6, 1.0)
    weight_decay: float = _setting(1e-2, 0.0, 1.0)
    clip_norm: float = _setting(1.0, 1e-3, 1e3)
    batch_size: int = _setting(64, 1, 65536)
    epoch_steps: int = _setting(256, 1, 1_000_000)
    epochs: int = _setting(12, 1, 1000)
    patience: int = _setting(4, 1, 1000)
    folds: int = _setting(3, 2, 20)
    calibration_days: int = _setting(364, 1, 3650)
    validation_days: int = _setting(91, 1, 3650)
    baseline_rows: int = _setting(300_000, 100, 100_000_000)
    seed: int = _setting(7, 0, 2**31 - 1)

    @classmethod
    def from_shop(cls, shop: Shop) -> ModelSettings:
        """The defaults with the shop's overrides. Raises ShopFileError with every fault of table [model]."""
        return cls.from_mapping(shop.model, f"{shop.path}, [model]")

    @classmethod
    def from_mapping(cls, values: Mapping[str, object], origin: str) -> ModelSettings:
        known = {f.name: f for f in fields(cls)}
        faults: list[str | None] = [_unknown(key, value, known) for key, value in values.items() if key not in known]
        faults += [_misfit(known[key], value) for key, value in values.items() if key in known]
        found = [fault for fault in faults if fault]
        if found:
            count = f"{len(found)} fault" + ("s" if len(found) > 1 else "")
            raise ShopFileError("\n  ".join([f"{origin}: {count}", *found]))
        defaults = asdict(cls())
        return cls(**{key: type(defaults[key])(value) for key, value in values.items()})

    def as_dict(self) -> dict[str, int | float | str]:
        return asdict(self)


def _unknown(key: str, value: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"model.{key}: expected no such key, found {value!r}{hint}"


def _misfit(setting, value: object) -> str | None:
    """A message if the value is invalid, else None."""
    words = setting.metadata.get("words")
    if words:
        fits, kind = value in words, f"one of {', '.join(words)}"
    else:
        is_whole = isinstance(setting.default, int)
        low, high = setting.metadata["low"], setting.metadata["high"]
        is_number = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
        fits = is_number and low <= value <= high
        kind = f"{'a whole number' if is_whole else 'a number'} from {low:g} to {high:g}"
    return None if fits else f"model.{setting.name}: expected {kind}, found {value!r}"
