"""Is a shop found by its name after one use of its file, and is the last used shop the default?"""

from __future__ import annotations

import pytest

from infra.cli.shops import find_shop, list_shops
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings

SHOP = """
name = "{name}"
time_zone = "UTC"
currency = "EUR"

[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"

[sources.purchases.columns]
customer_id = "c"
event_at = "at"
amount = "a"
"""


@pytest.fixture
def files(tmp_path):
    for name in ("corner", "market"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.toml").write_text(SHOP.format(name=name))
    return tmp_path


def test_the_last_used_shop_is_the_default(files):
    settings = Settings(files / "home")
    with pytest.raises(ChurnError, match="there is no shop yet"):
        find_shop(None, settings)
    find_shop(str(files / "corner" / "shop.toml"), settings)
    find_shop(str(files / "market"), settings)
    assert find_shop(None, settings).name == "market"
    assert find_shop("corner", settings).name == "corner"
    assert find_shop(None, settings).name == "corner"
    (files / "corner" / "shop.toml").unlink()
    assert find_shop(None, settings).name == "market"


def test_configured_shops_are_known_and_a_near_name_is_proposed(files):
    settings = Settings(files / "home", shops=(files,))
    assert set(list_shops(settings)) == {"corner", "market"}
    with pytest.raises(ChurnError, match="no shop 'markt'; did you mean 'market'"):
        find_shop("markt", settings)
