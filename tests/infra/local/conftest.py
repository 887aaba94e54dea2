"""Fixtures for the tests of the commands."""

import pytest

from spark_jobs.contract.shop.file import load_shop
from tests.conftest import ROOT


@pytest.fixture
def shop():
    return load_shop(ROOT / "infra" / "demo" / "online_retail" / "shop.toml")
