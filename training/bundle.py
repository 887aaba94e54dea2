"""How is a trained model kept, and why may it be trusted when it is loaded? A folder of data files and their hashes.

    manifest.json   format, and the sha256 of every other file; the sha256 of this file is the bundle's hash
    settings.json   everything that decides how inputs are made and what the weights mean
    weights.f32     the network's numbers; or member_*.json of a baseline; or both for a blend, and its blend.json
    evidence.f32    what the reasons are guessed with
    spend.json      how much a customer will spend
    metrics.json    what the gate measured
    model_card.md   the same for people

Loading reads every file once, compares its hash, and only then parses it. It builds the architecture in code and
never unpickles, evaluates or imports anything that a bundle names.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import ACTIVITY_MEASURES, FEATURES
from spark_jobs.contract.windows import ChurnDefinition
from training.architecture import Architecture
from training.blend import BlendMembers, files_of, read_weights
from training.calibration import Calibration
from training.config import ModelSettings
from training.dataset import TensorSpec
from training.explain import WINDOW_WEEKS, list_groups
from training.fit import Candidate
from training.lean import LeanNetwork
from training.members import BLENDS, KINDS, LSTM, BaselineMembers, Members, NetworkMembers
from training.spend import SpendModel

FORMAT = 3
MANIFEST, SETTINGS, METRICS, MODEL_CARD = "manifest.json", "settings.json", "metrics.json", "model_card.md"
EVIDENCE = "evidence.f32"
SPEND = "spend.json"
FILE_NAME = re.compile(r"[a-z][a-z0-9_]*\.(json|f32|md)")
MOST_FILES, MOST_BYTES = 200, 256 * 2**20


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. `hash` is what the registry keeps; `version` names the folder."""

    folder: Path
    version: str
    hash: str


@dataclass(frozen=True)
class LoadedBundle:
    shop: str
    trained_through: date
    candidate: Candidate
    spend: SpendModel | None = None


def write_bundle(
    models: Path,
    shop_name: str,
    trained_through: date,
    candidate: Candidate,
    settings: ModelSettings,
    metrics: Mapping[str, object],
    model_card: str,
    spend: SpendModel | None = None,
) -> Bundle:
    """Keeps a candidate under `models`, whole or not at all; the same content again changes nothing."""
    files = {
        SETTINGS: _to_json(_describe(shop_name, trained_through, candidate, settings)),
        METRICS: _to_json(metrics),
        MODEL_CARD: model_card.encode(),
        EVIDENCE: candidate.evidence.astype("<f4").tobytes(),
        **({SPEND: spend.to_file()} if spend else {}),
        **candidate.members.to_files(),
    }
    manifest = _to_json({"format": FORMAT, "files": {name: _hash(files[name]) for name in sorted(files)}})
    bundle_hash = _hash(manifest)
    version = f"{trained_through}-{bundle_hash[:8]}"
    bundle = Bundle(models / version, version, bundle_hash)
    if not bundle.folder.exists():
        _place_folder(bundle.folder, {**files, MANIFEST: manifest})
    read_files(bundle.folder, bundle_hash)
    return bundle


def _place_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes beside the place and renames: nobody ever sees half a bundle."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        for name, content in files.items():
            with (draft / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.exists():  # else somebody placed the same content meanwhile
            raise


def read_files(folder: Path, expected_hash: str | None = None) -> dict[str, bytes]:
    """The bundle's files, each compared with the manifest. Raises ChurnError for anything that is not as written."""
    if folder.is_symlink() or not folder.is_dir():
        raise ChurnError(f"no model at {folder}: train one, or promote one that is there")
    contents = _read_folder(folder)
    if MANIFEST not in contents:
        raise ChurnError(f"{folder} is no model: it has no {MANIFEST}")
    manifest = contents.pop(MANIFEST)
    if expected_hash is not None and _hash(manifest) != expected_hash:
        raise ChurnError(f"{folder} is not the model that was registered: its hash is {_hash(manifest)[:8]}, "
                         f"expected {expected_hash[:8]}")  # fmt: skip
    listed = _read_manifest(folder, manifest)
    if set(listed) != set(contents):
        strangers = sorted(set(listed) ^ set(contents))
        raise ChurnError(f"{folder}: {', '.join(strangers)} is in the folder or in its manifest, but not in both")
    for name, content in contents.items():
        if _hash(content) != listed[name]:
            raise ChurnError(f"{folder / name} was changed after training: restore it or train again")
    return contents


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Every entry must be a plain file with a plain name, in a folder of bounded size."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    if len(entries) > MOST_FILES:
        raise ChurnError(f"{folder} is no model: it has more than {MOST_FILES} files")
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > MOST_BYTES:
        raise ChurnError(f"{folder} is no model: it is larger than {MOST_BYTES >> 20} MiB")
    contents = {}
    for entry in entries:
        is_plain = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
        if not is_plain or not FILE_NAME.fullmatch(entry.name):
            raise ChurnError(f"{folder}: {entry.name!r} does not belong into a model")
        with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            contents[entry.name] = file.read(MOST_BYTES)
    return contents


def _read_manifest(folder: Path, content: bytes) -> dict[str, str]:
    manifest = _from_json(folder / MANIFEST, content)
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        raise ChurnError(f"{folder / MANIFEST} is not of format {FORMAT}: train again")
    return files


def load_bundle(folder: Path | str, expected_hash: str | None = None) -> LoadedBundle:
    """The model of a folder. Raises ChurnError where it is damaged, foreign, or of inputs that have changed."""
    folder = Path(folder)
    files = read_files(folder, expected_hash)
    try:
        return _rebuild(_from_json(folder / SETTINGS, files[SETTINGS]), files)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChurnError(f"{folder / SETTINGS} does not describe a model ({error!r}): train again") from None


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


def load_spend(folder: Path | str, expected_hash: str | None = None) -> tuple[TensorSpec, SpendModel | None]:
    """The inputs and the model of spend of a bundle, without what tells churn. Raises ChurnError as load_bundle."""
    folder = Path(folder)
    files = read_files(folder, expected_hash)
    try:
        _, spec = _read_spec(_from_json(folder / SETTINGS, files[SETTINGS]))
        return spec, _read_spend(spec, files)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChurnError(f"{folder / SPEND} does not describe spend ({error!r}): train again") from None


def _read_spec(described: dict) -> tuple[ModelSettings, TensorSpec]:
    settings, churn = ModelSettings.from_mapping(described["settings"], SETTINGS), _read_churn(described["churn"])
    features = _find_features(described["features"])
    return settings, TensorSpec(features, churn, settings.step_days, settings.history_steps)


def _read_spend(spec: TensorSpec, files: Mapping[str, bytes]) -> SpendModel | None:
    """None in a bundle from before there was one."""
    return SpendModel.from_file(files[SPEND], len(spec.features), spec.churn.horizons_days) if SPEND in files else None


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
    members = _rebuild_members(kind, count, spec, settings, files)
    typical = _read_numbers(described["typical"], len(spec.features))
    evidence = _read_evidence(files[EVIDENCE], spec)
    candidate = Candidate(kind, spec, members, calibration, typical, np.array(losses), evidence)
    trained_through = date.fromisoformat(described["trained_through"])
    return LoadedBundle(str(described["shop"]), trained_through, candidate, _read_spend(spec, files))


def _rebuild_members(
    kind: str, count: int, spec: TensorSpec, settings: ModelSettings, files: Mapping[str, bytes]
) -> Members:
    if kind in BLENDS:
        weights = read_weights(files, BLENDS[kind], len(spec.churn.horizons_days))
        parts = {part: _rebuild_members(part, count, spec, settings, files_of(part, files)) for part in weights}
        return BlendMembers(parts, np.stack(list(weights.values())))
    if kind != LSTM:
        return BaselineMembers.from_files(kind, count, files)
    return NetworkMembers.from_files(_build_network(Architecture.of(spec, settings)), count, files)


def _build_network(architecture: Architecture):
    """The LSTM without TensorFlow; what stands in its place for an ablation with it."""
    if architecture.cell == "lstm":
        return LeanNetwork(architecture)
    from training.model import ChurnNetwork

    return ChurnNetwork(architecture)


def _read_churn(values: dict) -> ChurnDefinition:
    churn = ChurnDefinition(tuple(values["horizons_days"]), values["primary_horizon_days"],
                            values["eligible_within_days"], values["activity"])  # fmt: skip
    days = (*churn.horizons_days, churn.eligible_within_days)
    if not all(type(d) is int and 1 <= d <= 3650 for d in days) or list(churn.horizons_days) != sorted(set(days[:-1])):
        raise ValueError(f"horizons and eligibility {days}")
    if churn.primary_horizon_days not in churn.horizons_days or churn.activity not in ACTIVITY_MEASURES:
        raise ValueError(f"primary horizon {churn.primary_horizon_days!r}, activity {churn.activity!r}")
    return churn


def _find_features(fingerprints: dict[str, str]) -> tuple:
    """The contract's features of these names. Raises ChurnError where one is gone or its formula is another."""
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
    """Candidate.evidence. Raises ValueError where it is not of this shape, or not finite."""
    shape = (len(WINDOW_WEEKS), 3 + 2 * len(spec.features), len(list_groups(spec)))
    evidence = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(evidence).all():
        raise ValueError("evidence must be finite")
    return evidence


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _to_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def _from_json(path: Path, content: bytes) -> dict:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ChurnError(f"{path} is not valid JSON: restore it or train again") from None
    if not isinstance(value, dict):
        raise ChurnError(f"{path} is not a JSON object: restore it or train again")
    return value
