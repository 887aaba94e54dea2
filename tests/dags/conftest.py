"""Sets Airflow's environment before any test module loads, because Airflow reads it when it is first imported."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from infra.local.environment import ROOT, make_environment

DEMO_SHOP = ROOT / "infra" / "demo" / "online_retail" / "shop.toml"
THREE_LOGS = ROOT / "infra" / "demo" / "simulated" / "shop.toml"

_folder = Path(tempfile.mkdtemp(prefix="churn_dags_"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def write_shop(file: Path, replacements: dict[str, str]) -> Path:
    """The demo's shop.toml with replaced lines; every pattern must occur."""
    text = DEMO_SHOP.read_text()
    for pattern, replacement in replacements.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"{DEMO_SHOP} has no line {pattern}")
    file.write_text(text)
    return file


#: The demo shop, whose data has ended, and one with ongoing data in another time zone.
LIVE_SHOP = write_shop(
    _folder / "shop.toml",
    {
        "^name = .*": 'name = "living"',
        "^time_zone = .*": 'time_zone = "America/New_York"',
        "^end_date = .*": "schedule.first_night = 2026-11-10",
    },
)
os.environ.update(
    make_environment([DEMO_SHOP, LIVE_SHOP, THREE_LOGS], {**os.environ, "CHURN_HOME": str(_folder / "home")})
)


@pytest.fixture(scope="session")
def dags() -> dict:
    from infra.local.run_dag import load_dags

    return load_dags()
