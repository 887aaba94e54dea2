"""Stores and loads trained models. A bundle is a folder of data files with their hashes.

    manifest.json   format, and the sha256 of every other file; the sha256 of this file is the bundle's hash
    settings.json   how inputs are computed, the architecture, the calibration
    weights.f32     weights of the network; a baseline has member_*.json, a blend the files of its parts and blend.json
    evidence.f32    the regression that estimates the effects of evidence, for the reasons
    spend.json      the spend regressions
    metrics.json    the gate's metrics
    model_card.md   the model card

Loading verifies every hash before any file is parsed (integrity.py). It builds the architecture in code and never
unpickles, evaluates or imports anything that a bundle names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import FEATURES
from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.windows import MOST_UNDONE_DAYS, ChurnDefinition
from spark_jobs.lake.location import Location, Place
from training.config import ModelSettings
from training.models.calibration import Calibration
from training.models.network.architecture import Architecture
from training.models.registry import KINDS, rebuild_members
from training.selection.fit import Candidate
from training.selection.spend import SpendModel
from training.serving.evidence import WINDOW_WEEKS, list_groups
from training.serving.integrity import (
    MANIFEST,
    VerifiedFiles,
    from_json,
    hash_content,
    make_manifest,
    place_folder,
    read_files,
    to_json,
)
from training.tensors.dataset import TensorSpec

SETTINGS, METRICS, MODEL_CARD = "settings.json", "metrics.json", "model_card.md"
EVIDENCE = "evidence.f32"
SPEND = "spend.json"


@dataclass(frozen=True)
class Bundle:
    """A stored bundle. `hash` is in the registry; `version` is the name of the folder."""

    folder: Location
    version: str
    hash: str


@dataclass(frozen=True)
class LoadedBundle:
    shop: str
    trained_through: date
    candidate: Candidate
    spend: SpendModel | None = None


def write_bundle(
    models: Place,
    shop_name: str,
    trained_through: date,
    candidate: Candidate,
    settings: ModelSettings,
    metrics: Mapping[str, object],
    model_card: str,
    spend: SpendModel | None = None,
) -> Bundle:
    """Writes a candidate to a folder below `models`; does nothing if the same content is there already."""
    files = {
        SETTINGS: to_json(_describe(shop_name, trained_through, candidate, settings)),
        METRICS: to_json(metrics),
        MODEL_CARD: model_card.encode(),
        EVIDENCE: candidate.kept_evidence().astype("<f4").tobytes(),
        **({SPEND: spend.to_file()} if spend else {}),
        **candidate.members.to_files(),
    }
    manifest = make_manifest(files)
    bundle_hash = hash_content(manifest)
    version = f"{trained_through}-{bundle_hash[:8]}"
    bundle = Bundle(Location.parse(models) / version, version, bundle_hash)
    place_folder(bundle.folder, {**files, MANIFEST: manifest})
    read_files(bundle.folder, bundle_hash)
    return bundle


def load_bundle(folder: Place, expected_hash: str | None = None) -> LoadedBundle:
    """The model in a folder. Raises ChurnError if it is damaged, is not the expected one, or uses changed inputs."""
    return rebuild_bundle(read_files(folder, expected_hash))


def rebuild_bundle(files: VerifiedFiles) -> LoadedBundle:
    """The model in files that were read from a bundle. Raises ChurnError like load_bundle."""
    try:
        return _rebuild(_read_settings(files), files.contents)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChurnError(f"{files.place}/{SETTINGS} does not describe a model ({error!r}): train again") from None


def _read_settings(files: VerifiedFiles) -> dict:
    return from_json(f"{files.place}/{SETTINGS}", files.contents[SETTINGS])


def _describe(shop_name: str, trained_through: date, candidate: Candidate, settings: ModelSettings) -> dict:
    spec, churn = candidate.spec, candidate.spec.churn
    return {
        "shop": shop_name,
        "trained_through": trained_through.isoformat(),
        "kind": candidate.kind,
        "members": candidate.members.count,
        "churn": {
            "horizons_days": list(churn.horizons_days),
            "primary_horizon_days": churn.primary_horizon_days,
            "eligible_within_days": churn.eligible_within_days,
            "activity": churn.activity,
            "undone_within_days": churn.undone_within_days,
        },
        "features": {feature.name: feature.fingerprint for feature in spec.features},
        "typical": candidate.typical.tolist(),
        "calibration": {
            "slope": candidate.calibration.slope.tolist(),
            "intercept": candidate.calibration.intercept.tolist(),
            "drift": candidate.calibration.drift.tolist(),
        },
        "validation_log_loss": [None if np.isnan(loss) else loss for loss in candidate.validation_log_loss.tolist()],
        "settings": settings.as_dict(),
    }


def load_spend(folder: Place, expected_hash: str | None = None) -> tuple[TensorSpec, SpendModel | None]:
    """The spend model of a bundle and its inputs, without the churn model. Raises ChurnError like load_bundle."""
    files = read_files(folder, expected_hash)
    try:
        _, spec = _read_spec(_read_settings(files))
        return spec, _read_spend(spec, files.contents)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChurnError(f"{folder}/{SPEND} does not describe spend ({error!r}): train again") from None


def read_churn(files: VerifiedFiles) -> ChurnDefinition:
    """The churn definition of a bundle. Raises ChurnError like load_bundle."""
    try:
        return _read_churn(_read_settings(files)["churn"])
    except (KeyError, TypeError, ValueError) as error:
        raise ChurnError(f"{files.place}/{SETTINGS} does not describe a model ({error!r}): train again") from None


def _read_spec(described: dict) -> tuple[ModelSettings, TensorSpec]:
    settings, churn = ModelSettings.from_mapping(described["settings"], SETTINGS), _read_churn(described["churn"])
    features = _find_features(described["features"])
    return settings, TensorSpec(features, churn, settings.step_days, settings.history_steps)


def _read_spend(spec: TensorSpec, files: Mapping[str, bytes]) -> SpendModel | None:
    """The spend model; None for a bundle of an older release without one."""
    return SpendModel.from_file(files[SPEND], spec) if SPEND in files else None


def _rebuild(described: dict, files: Mapping[str, bytes]) -> LoadedBundle:
    settings, spec = _read_spec(described)
    churn = spec.churn
    kind, count = described["kind"], described["members"]
    if kind not in KINDS or not isinstance(count, int) or not 1 <= count <= 20:
        raise ValueError(f"kind {kind!r} with {count!r} members")
    lines = described["calibration"]
    calibration = Calibration(
        *(_read_numbers(lines[key], len(churn.horizons_days)) for key in ("slope", "intercept", "drift"))
    )
    if not (calibration.slope > 0).all():
        raise ValueError("calibration slopes must be positive")
    losses = [np.nan if loss is None else float(loss) for loss in described["validation_log_loss"]]
    members = rebuild_members(kind, count, files, Architecture.from_spec(spec, settings))
    typical = _read_numbers(described["typical"], len(spec.features))
    evidence = _read_evidence(files[EVIDENCE], spec)
    candidate = Candidate(kind, spec, members, calibration, typical, np.array(losses), evidence)
    trained_through = date.fromisoformat(described["trained_through"])
    return LoadedBundle(str(described["shop"]), trained_through, candidate, _read_spend(spec, files))


def _read_churn(values: dict) -> ChurnDefinition:
    churn = ChurnDefinition(tuple(values["horizons_days"]), values["primary_horizon_days"],
                            values["eligible_within_days"], values["activity"],
                            values["undone_within_days"])  # fmt: skip
    days = (*churn.horizons_days, churn.eligible_within_days)
    if not all(type(d) is int and 1 <= d <= 3650 for d in days) or list(churn.horizons_days) != sorted(set(days[:-1])):
        raise ValueError(f"horizons and eligibility {days}")
    if type(churn.undone_within_days) is not int or not 0 <= churn.undone_within_days <= MOST_UNDONE_DAYS:
        raise ValueError(f"undone_within_days {churn.undone_within_days!r}")
    if churn.primary_horizon_days not in churn.horizons_days or churn.activity not in ACTIVITY_MEASURES:
        raise ValueError(f"primary horizon {churn.primary_horizon_days!r}, activity {churn.activity!r}")
    return churn


def _find_features(fingerprints: dict[str, str]) -> tuple:
    """The contract's features with these names. Raises ChurnError if one is gone or its formula has changed."""
    known = {feature.name: feature for feature in FEATURES}
    changed = [n for n, was in fingerprints.items() if n not in known or known[n].fingerprint != was]
    if changed or not fingerprints:
        raise ChurnError(f"the model was trained on other inputs ({', '.join(changed) or 'none'}): train again")
    return tuple(known[name] for name in fingerprints)


def _read_numbers(values: list, count: int) -> np.ndarray:
    numbers = np.array(values, dtype=float)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} finite numbers, found {values!r:.80}")
    return numbers


def _read_evidence(content: bytes, spec: TensorSpec) -> np.ndarray:
    """Candidate.evidence. Raises ValueError if it has the wrong shape or is not finite."""
    shape = (len(WINDOW_WEEKS), 3 + 2 * len(spec.features), len(list_groups(spec)))
    evidence = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(evidence).all():
        raise ValueError("evidence must be finite")
    return evidence
