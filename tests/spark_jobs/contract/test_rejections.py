"""Every reason for which a record is rejected has a meaning and a remedy."""

from __future__ import annotations

import re

from spark_jobs.contract.rejections import REASONS
from tests.conftest import ROOT


def test_every_reason_that_the_code_gives_is_explained():
    """Codes are keys or constants in these packages; each has a meaning and a remedy."""
    files = (file for package in ("raw", "cleaning") for file in (ROOT / "spark_jobs" / package).rglob("*.py"))
    text = "".join(file.read_text() for file in files)
    suffixes = (
        "missing|invalid|empty|surplus|malformed|object|unknown|negative|zero|delivery|rate|range|broken|unreadable"
        "|comma|ambiguous"
    )
    codes = set(re.findall(rf'"(?!is_)((?:[a-z]+_)+(?:{suffixes}))"', text))
    assert len(codes) > 20
    assert codes <= set(REASONS)
