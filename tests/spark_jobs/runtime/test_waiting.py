"""Does the remaining time follow from the last duration?"""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from spark_jobs.runtime.waiting import Durations, describe_left, waiting


@pytest.mark.parametrize(
    ("expected", "elapsed", "words"),
    [
        (None, 5, ""),
        (20, 5, "about 15 s left"),
        (300, 30, "about 4 minutes left"),
        (20, 25, "longer than the last time"),
    ],
)
def test_the_remaining_time_is_shown_if_known(expected, elapsed, words):
    assert describe_left(expected, elapsed) == words


def test_a_terminal_shows_the_work_and_its_duration(tmp_path):
    Durations(tmp_path).note("check bazaar", 40)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with waiting(console, "reading purchases", "check bazaar", tmp_path):
        console.print("a table")
    assert "reading purchases 0 s, about 40 s left" in screen.getvalue()
    assert "a table" in screen.getvalue()
    assert Durations(tmp_path).read()["check bazaar"] < 40


def test_a_pipe_shows_nothing_and_an_unwritable_folder_is_no_error(tmp_path):
    screen = io.StringIO()
    with waiting(Console(file=screen), "reading", "check bazaar", tmp_path):
        pass
    assert screen.getvalue() == ""
    assert not list(tmp_path.iterdir())
    (tmp_path / "running").write_text("")
    Durations(tmp_path).note("check bazaar", 1)
