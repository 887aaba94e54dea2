"""Does CONTRIBUTING.md name files and commands that exist, and does its map agree with the import rules?"""

from __future__ import annotations

import re

from tests.conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_path_exists():
    paths = re.findall(r"`((?:spark_jobs|training|dags|tests|infra)/[\w./<>]*)`", TEXT)
    assert len(paths) > 25
    fixed = [path for path in paths if "<" not in path and "00NN" not in path]
    assert [path for path in fixed if not (ROOT / path).exists()] == []
    assert [path for path in paths if "<" in path and not (ROOT / path).parent.is_dir()] == []


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", TEXT))
    assert len(named) >= 5
    assert named <= targets


def test_its_map_names_every_package():
    for place in ("spark_jobs", "training"):
        packages = {folder.name for folder in (ROOT / place).iterdir() if (folder / "__init__.py").exists()}
        [line] = [line for line in TEXT.splitlines() if line.startswith(f"| `{place}/`")]
        assert set(re.findall(r"`(\w+)`", line)) == packages, place
