"""Does the sentiment benchmark report missing data and libraries, and measure out of sample?"""

from __future__ import annotations

import numpy as np

from infra.bench import sentiment
from infra.bench.reviews import read_written
from spark_jobs.runtime.command import run_command


def test_without_the_data_one_line_says_what_is_missing(tmp_path, capsys):
    assert run_command(sentiment.main, ["--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path} lacks {sentiment.CHINESE} and {sentiment.PORTUGUESE}: give the folder that has them\n"
    )


def test_a_trained_model_never_scores_its_training_data(capsys):
    """Every text has a random label, which only a model trained on it could know."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij"), 12)) for _ in range(400)]
    reviews = sentiment.Reviews("noise", texts, rng.random(400) < 0.5, np.zeros(400))
    folds = [(np.arange(200), np.arange(200, 400)), (np.arange(200, 400), np.arange(200))]
    sentiment.measure_taught("by chance", reviews, folds)
    n, accuracy, auroc = capsys.readouterr().out.split()[-4:-1]
    assert n == "400"
    assert abs(float(accuracy) - 0.5) < 0.1
    assert abs(float(auroc) - 0.5) < 0.1


def test_a_library_that_is_not_installed_is_named(capsys, monkeypatch):
    def load_absent():
        raise ImportError

    monkeypatch.setitem(sentiment.LIBRARIES, "absent", load_absent)
    missing = set()
    sentiment.measure_libraries(["absent", sentiment.OWN], read_written("en", ["en"]), missing)
    assert missing == {"absent"}
    assert capsys.readouterr().out.startswith("spark_jobs.cleaning.sentiment")
