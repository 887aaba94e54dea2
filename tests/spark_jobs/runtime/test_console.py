"""Text from a shop's files is printed without markup and control characters."""

from __future__ import annotations

import io

from rich.console import Console

from spark_jobs.runtime.console import PlainConsole


def test_text_of_a_file_is_printed_without_control_characters_and_markup():
    out = io.StringIO()
    PlainConsole(Console(file=out, width=80)).print("Tee [/Aktion] [red] :smile: \x1b[31m\x00", style="bold")
    assert out.getvalue() == "Tee [/Aktion] [red] :smile: \ufffd[31m\ufffd\n"
