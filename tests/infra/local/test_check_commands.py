"""Are dead and undocumented commands of the Makefile found?"""

from __future__ import annotations

import subprocess

import pytest

from infra.local import check_commands
from infra.local.environment import ROOT


def test_every_make_command_is_documented_and_exists():
    assert check_commands.find_faults((ROOT / "Makefile").read_text()) == []


@pytest.mark.parametrize(
    ("makefile", "fault"),
    [
        (".PHONY: demo\ndemo: setup\n", "demo has no ## description"),
        ("demo: setup ## the demo\n", "demo is not in .PHONY"),
        (".PHONY: demo fly\ndemo: ## the demo\n", ".PHONY names fly, which has no rule"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) infra.local.fly\n", "infra.local.fly is no command"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) spark_jobs.contract\n", "spark_jobs.contract is no command"),
        (".PHONY: demo\ndemo: ## the demo\n\t@$(JOBS) infra.local.shops\n", "infra.local.shops is no command"),
    ],
)
def test_a_missing_or_undocumented_command_is_found(makefile, fault):
    (found,) = check_commands.find_faults(makefile)
    assert fault in found


def test_make_alone_lists_every_command():
    output = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[1] for line in output.splitlines()]
    assert names == [name for name, _ in check_commands.RULE.findall((ROOT / "Makefile").read_text())]
