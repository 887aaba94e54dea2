"""A bundle is loaded as it was written, and a changed or foreign one is never loaded."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from spark_jobs.contract import features
from spark_jobs.contract.errors import ChurnError
from tests.object_store import BUCKET, object_store
from tests.training.candidates import draw_candidate
from tests.training.series import make_shop
from training.config import ModelSettings
from training.models.registry import KINDS
from training.serving import bundle
from training.serving.bundle import load_bundle, write_bundle

AS_OF = date(2024, 6, 30)
SETTINGS = ModelSettings(lstm_units=4)
SHOP = make_shop()


@cache
def candidate_of(kind: str):
    return draw_candidate(kind, SHOP, SETTINGS)


def store(models: Path | str, kind: str, card: str = "# Card\n") -> bundle.Bundle:
    return write_bundle(models, SHOP.name, AS_OF, candidate_of(kind), SETTINGS, {"auroc": 0.75}, card)


def keep(models: Path, kind: str = "lstm", card: str = "# Card\n") -> bundle.Bundle:
    kept = store(models, kind, card)
    return replace(kept, folder=Path(kept.folder))


def rewrite(kept: bundle.Bundle, **changes: bytes | None) -> None:
    """Changes files (None removes one) and updates the manifest, as an attacker with write access would."""
    contents = {p.name: p.read_bytes() for p in kept.folder.iterdir()}
    manifest = json.loads(contents.pop("manifest.json"))
    for name, content in changes.items():
        name = name.replace("__", ".")
        (kept.folder / name).unlink(missing_ok=True)
        contents.pop(name, None)
        if content is not None:
            (kept.folder / name).write_bytes(content)
            contents[name] = content
    manifest["files"] = {name: sha256(content).hexdigest() for name, content in contents.items()}
    (kept.folder / "manifest.json").write_text(json.dumps(manifest))


def change_settings(kept: bundle.Bundle, change) -> None:
    described = json.loads((kept.folder / "settings.json").read_text())
    change(described)
    rewrite(kept, settings__json=json.dumps(described).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_predicts_as_the_candidate_did(kind, tmp_path):
    candidate = candidate_of(kind)
    kept = keep(tmp_path, kind)
    loaded = load_bundle(kept.folder, kept.hash)
    inputs = np.random.default_rng(0).uniform(0, 3, (20, 9, len(candidate.spec.features))).astype(np.float32)
    lengths = np.arange(20, dtype=np.int32) % 9 + 1
    predicted, kept = (candidate_.predict(inputs, lengths) for candidate_ in (loaded.candidate, candidate))
    np.testing.assert_allclose(predicted, kept, atol=1e-6)  # the LSTM is served without TensorFlow
    assert loaded.candidate.spec == candidate.spec
    np.testing.assert_array_equal(loaded.candidate.typical, candidate.typical)
    assert (loaded.shop, loaded.trained_through, loaded.candidate.kind) == (SHOP.name, AS_OF, kind)


def test_the_same_content_is_the_same_bundle_and_writes_nothing(tmp_path):
    first = keep(tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in first.folder.iterdir()}
    assert keep(tmp_path) == first
    assert keep(tmp_path / "elsewhere").hash == first.hash
    assert {p: p.stat().st_mtime_ns for p in first.folder.iterdir()} == stamps
    assert first.version == f"2024-06-30-{first.hash[:8]}"
    assert keep(tmp_path, card="# Another\n").version != first.version
    assert not list(tmp_path.glob(".*"))  # no drafts left


def test_an_interrupted_write_leaves_no_bundle(tmp_path, monkeypatch):
    def die(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(OSError, match="disk full"):
        keep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["settings.json", "weights.f32", "metrics.json", "model_card.md", "manifest.json"])
def test_one_changed_byte_in_any_file_is_noticed(name, tmp_path):
    kept = keep(tmp_path)
    content = bytearray((kept.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (kept.folder / name).write_bytes(bytes(content))
    with pytest.raises(ChurnError):
        load_bundle(kept.folder, kept.hash)


def test_nothing_is_parsed_before_its_hash_is_checked(tmp_path, monkeypatch):
    kept = keep(tmp_path)
    (kept.folder / "settings.json").write_bytes(b"{" * 100_000)
    monkeypatch.setattr(bundle, "_rebuild", lambda *_: pytest.fail("parsed"))
    with pytest.raises(ChurnError, match=r"settings\.json was changed after training"):
        load_bundle(kept.folder)


def test_a_bundle_of_a_former_format_asks_for_a_training(tmp_path):
    kept = keep(tmp_path, "recency")
    manifest = json.loads((kept.folder / "manifest.json").read_text())
    (kept.folder / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    with pytest.raises(ChurnError, match=r"is not of format \d: train again$"):
        load_bundle(kept.folder)


def test_another_bundle_than_the_registered_one_is_refused(tmp_path):
    kept = keep(tmp_path, "recency")
    change_settings(kept, lambda s: s["calibration"].update(slope=[1.0, 1.0, 1.0]))
    load_bundle(kept.folder)  # consistent in itself
    with pytest.raises(ChurnError, match="not the model that was registered"):
        load_bundle(kept.folder, kept.hash)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda f: (f / "extra.json").write_text("{}"), r"extra\.json"),
        (lambda f: (f / "weights.pkl").write_bytes(pickle.dumps([1])), "does not belong"),
        (lambda f: (f / ".hidden").write_text(""), "does not belong"),
        (lambda f: (f / "folder").mkdir(), "does not belong"),
        (lambda f: (f / "metrics.json").unlink(), r"metrics\.json"),
        (lambda f: (f / "manifest.json").unlink(), "has no manifest"),
        (lambda f: (f / "link.json").symlink_to("/etc/hostname"), "does not belong"),
        (lambda f: os.mkfifo(f / "pipe.json"), "does not belong"),
        (lambda f: [(f / f"n{n}.json").write_text("{}") for n in range(300)], "more than 200 files"),
    ],
)
def test_an_unexpected_file_in_a_bundle_is_refused(place, message, tmp_path):
    kept = keep(tmp_path)
    place(kept.folder)
    with pytest.raises(ChurnError, match=message):
        load_bundle(kept.folder)


def test_a_file_swapped_for_a_link_to_the_same_content_is_refused(tmp_path):
    kept = keep(tmp_path)
    path = kept.folder / "weights.f32"
    path.rename(tmp_path / "outside.f32")
    path.symlink_to(tmp_path / "outside.f32")
    with pytest.raises(ChurnError, match="does not belong"):
        load_bundle(kept.folder, kept.hash)


def test_a_link_instead_of_the_folder_is_refused(tmp_path):
    kept = keep(tmp_path)
    (tmp_path / "link").symlink_to(kept.folder)
    with pytest.raises(ChurnError, match="no model at"):
        load_bundle(tmp_path / "link")
    with pytest.raises(ChurnError, match="no model at"):
        load_bundle(tmp_path / "absent")


def test_a_bundle_in_an_object_store_is_loaded_whole_and_as_it_was_written_or_not_at_all(monkeypatch):
    with object_store() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        kept = store(f"s3://{BUCKET}/models", "boosting")
        assert load_bundle(str(kept.folder), kept.hash).candidate.kind == "boosting"
        card = kept.folder / "model_card.md"
        card.write_text("# Another card\n")
        with pytest.raises(ChurnError, match=r"model_card\.md was changed after training"):
            load_bundle(kept.folder)
        (kept.folder / "manifest.json").remove_file()  # written last: as if the training had been killed
        with pytest.raises(ChurnError, match="it has no manifest"):
            load_bundle(kept.folder)
        assert store(f"s3://{BUCKET}/models", "boosting") == kept
        assert load_bundle(kept.folder, kept.hash).candidate.kind == "boosting"
        (kept.folder / "below" / "more.json").write_text("{}")
        with pytest.raises(ChurnError, match="'below' does not belong"):
            load_bundle(kept.folder)
        with pytest.raises(ChurnError, match="no model at s3://"):
            load_bundle(f"s3://{BUCKET}/models/absent")


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    kept = keep(tmp_path)
    with (kept.folder / "weights.f32").open("r+b") as file:
        file.truncate(40 * 2**30)  # sparse
    with pytest.raises(ChurnError, match="larger than 256 MiB"):
        load_bundle(kept.folder)


@pytest.mark.parametrize("path", ["../outside.json", "/etc/passwd", "a/b.json", "..", "a.json\x00.md"])
def test_a_manifest_that_names_a_path_is_refused(path, tmp_path):
    kept = keep(tmp_path)
    (tmp_path / "outside.json").write_text("{}")
    manifest = json.loads((kept.folder / "manifest.json").read_text())
    manifest["files"][path] = sha256(b"{}").hexdigest()
    (kept.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ChurnError, match="not in both"):
        load_bundle(kept.folder)


@pytest.mark.parametrize(
    "weights",
    [b"", b"\0" * 8, pickle.dumps(np.zeros(1)), np.full(10_000, 1, "<f4").tobytes(), None],
    ids=["empty", "short", "pickle", "long", "missing"],
)
def test_weights_of_another_architecture_are_refused(weights, tmp_path):
    kept = keep(tmp_path)
    rewrite(kept, weights__f32=weights)
    with pytest.raises(ChurnError, match=r"weights\.f32"):
        load_bundle(kept.folder)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    kept = keep(tmp_path)
    weights = np.frombuffer((kept.folder / "weights.f32").read_bytes(), "<f4").copy()
    weights[5] = np.nan
    rewrite(kept, weights__f32=weights.tobytes())
    with pytest.raises(ChurnError, match="finite"):
        load_bundle(kept.folder)


def test_a_pickle_in_a_baselines_file_is_never_run(tmp_path):
    kept = keep(tmp_path, "boosting")

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    rewrite(kept, member_0_trees_0__json=pickle.dumps(Bomb()))
    with pytest.raises(ChurnError):
        load_bundle(kept.folder)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(kind="os.system"),
        lambda s: s.update(members=10**9),
        lambda s: s.update(members=-1),
        lambda s: s.pop("features"),
        lambda s: s.update(features=[]),
        lambda s: s["settings"].update(lstm_units=10**9),
        lambda s: s["settings"].update(code="import os"),
        lambda s: s["settings"].update(history_steps="104"),
        lambda s: s["calibration"].update(slope=[1, 1]),
        lambda s: s["calibration"].update(slope=[1, 1, -1]),
        lambda s: s["calibration"].update(slope=[1, 1, float("inf")]),
        lambda s: s.update(typical=[0.0]),
        lambda s: s["churn"].update(horizons_days=[90, 60, 30]),
        lambda s: s["churn"].update(horizons_days=[10**9]),
        lambda s: s["churn"].update(activity="visits"),
        lambda s: s.update(trained_through="tomorrow"),
    ],
)
def test_invalid_architecture_settings_are_refused(change, tmp_path):
    kept = keep(tmp_path, "recency")
    change_settings(kept, change)
    with pytest.raises(ChurnError):
        load_bundle(kept.folder)


def test_a_changed_feature_formula_asks_for_a_training(tmp_path, monkeypatch):
    kept = keep(tmp_path)
    changed = tuple(replace(f, arg=14) if f.name == "purchase_days_decayed_7" else f for f in features.FEATURES)
    monkeypatch.setattr(bundle, "FEATURES", changed)
    with pytest.raises(ChurnError, match=r"other inputs \(purchase_days_decayed_7\): train again"):
        load_bundle(kept.folder, kept.hash)


def test_a_feature_that_a_bundle_does_not_use_may_change(tmp_path, monkeypatch):
    kept = keep(tmp_path, "recency")  # this shop has no categories
    changed = tuple(replace(f, fill=7.0) if f.name == "category_breadth" else f for f in features.FEATURES)
    monkeypatch.setattr(bundle, "FEATURES", changed)
    load_bundle(kept.folder, kept.hash)
