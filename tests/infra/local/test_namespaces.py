"""Does a command in a namespace find covered folders empty, apart from what is kept?"""

from __future__ import annotations

import subprocess

import pytest

from infra.local.namespaces import can_cover, cover


@pytest.mark.skipif(not can_cover(), reason="only root may mount")
def test_covered_folders_contain_only_what_is_kept(tmp_path):
    (aside := tmp_path / "aside").mkdir()
    (kept := tmp_path / "a home" / "kept").mkdir(parents=True)
    for file in (kept / "inside", tmp_path / "a home" / "secret"):
        file.touch()
    command = cover([tmp_path / "a home"], [kept, tmp_path / "absent"], aside, ["find", str(tmp_path), "-type", "f"])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [str(kept / "inside"), ""]
    assert (tmp_path / "a home" / "secret").exists()
