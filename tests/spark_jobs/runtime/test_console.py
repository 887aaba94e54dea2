"""What stands in a shop's files commands no screen."""

from __future__ import annotations

import io

from rich.console import Console

from spark_jobs.runtime.console import PlainConsole


def test_what_stands_in_a_file_is_no_command_of_the_screen():
    out = io.StringIO()
    PlainConsole(Console(file=out, width=80)).print("Tee [/Aktion] [red] :smile: \x1b[31m\x00", style="bold")
    assert out.getvalue() == "Tee [/Aktion] [red] :smile: \ufffd[31m\ufffd\n"
