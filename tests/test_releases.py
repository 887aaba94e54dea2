"""Do version, changelog, tags, hooks and the CI workflow agree with each other and with what exists?"""

from __future__ import annotations

import re
import subprocess
import tomllib
from datetime import date

import pytest
import yaml

from infra.cli.__main__ import run
from tests.conftest import ROOT

HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read_releases() -> dict[tuple[int, ...], date]:
    found = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+), (\d{4}-\d\d-\d\d)", heading) for heading in HEADINGS[1:]]
    assert all(found), HEADINGS
    return {tuple(map(int, one.groups()[:3])): date.fromisoformat(one[4]) for one in found}


def test_the_newest_release_is_the_version_of_the_package(capsys):
    assert HEADINGS[0] == "Unreleased"
    releases = read_releases()
    assert list(releases) == sorted(releases, reverse=True)
    assert list(releases.values()) == sorted(releases.values(), reverse=True)
    assert ".".join(map(str, max(releases))) == PROJECT["version"]
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"churn {PROJECT['version']}\n"


def test_every_tag_is_a_release():
    listed = subprocess.run(["git", "tag", "--list", "v*"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    versions = {f"v{'.'.join(map(str, version))}" for version in read_releases()}
    assert set(listed.stdout.split()) <= versions


def test_every_hook_is_a_local_one_whose_tool_setup_installs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert len(hooks) >= 5
    assert [hook["id"] for hook in hooks if not (ROOT / hook["entry"].split()[0]).exists()] == []


def test_the_workflow_runs_commands_that_exist_on_versions_that_fit():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = " && ".join(step["run"] for step in steps if "run" in step).split(" && ")
    for command in commands:
        program, *words = command.split()
        file = {"make": "Makefile", "bash": words[0]}.get(program, f"{words[-1].replace('.', '/')}.py")
        assert (ROOT / file).exists(), command
        assert program != "make" or words[0] in targets, command
    chosen = {name: str(value) for step in steps for name, value in step.get("with", {}).items()}
    assert chosen["python-version"] in ("3.11", "3.12", "3.13")
    assert chosen["java-version"] in ("17", "21")
    assert all(job["timeout-minutes"] <= 90 for job in jobs.values())
