"""Is the time left that of the last time?"""

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
def test_the_time_left_is_said_if_it_is_known(expected, elapsed, words):
    assert describe_left(expected, elapsed) == words


def test_a_terminal_shows_what_is_done_and_how_long_it_takes(tmp_path):
    Durations(tmp_path).note("check bazaar", 40)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with waiting(console, "reading purchases", "check bazaar", tmp_path):
        console.print("a table")
    assert "reading purchases 0 s, about 40 s left" in screen.getvalue()
    assert "a table" in screen.getvalue()
    assert Durations(tmp_path).read()["check bazaar"] < 40


def test_a_pipe_shows_and_keeps_nothing_and_a_folder_that_is_a_file_is_no_error(tmp_path):
    screen = io.StringIO()
    with waiting(Console(file=screen), "reading", "check bazaar", tmp_path):
        pass
    assert screen.getvalue() == ""
    assert not list(tmp_path.iterdir())
    (tmp_path / "running").write_text("")
    Durations(tmp_path).note("check bazaar", 1)
