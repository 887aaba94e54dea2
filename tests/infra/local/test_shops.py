"""Which shops' land.py is run, and which day is a shop's last?"""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from infra.local import shops
from infra.local.shops import find_last_day, land_raw_files
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake

LAND = "import pathlib, sys; pathlib.Path(sys.argv[2], 'landed').touch()"


def has_landed(place: Path, home: Path) -> bool:
    place.mkdir()
    (place / "land.py").write_text(LAND)
    land_raw_files(Shop("corner", "UTC", "EUR", {}, path=place / "shop.toml"), Settings(home))
    return (home / "landed").exists()


@pytest.mark.parametrize("is_demo", [True, False])
def test_a_script_among_delivered_files_is_not_run(tmp_path, monkeypatch, is_demo):
    demos = tmp_path / "demo"
    demos.mkdir()
    monkeypatch.setattr(shops, "DEMO_SHOPS", demos)
    (tmp_path / "home").mkdir()
    place = demos / "corner" if is_demo else tmp_path / "deliveries"
    assert has_landed(place, tmp_path / "home") == is_demo


def test_a_link_from_the_demo_shops_is_followed_first(tmp_path, monkeypatch):
    demos, outside = tmp_path / "demo", tmp_path / "outside"
    for folder in (demos, outside, tmp_path / "home"):
        folder.mkdir()
    (outside / "land.py").write_text(LAND)
    (demos / "corner").symlink_to(outside)
    monkeypatch.setattr(shops, "DEMO_SHOPS", demos)
    land_raw_files(Shop("corner", "UTC", "EUR", {}, path=demos / "corner" / "shop.toml"), Settings(tmp_path / "home"))
    assert not (tmp_path / "home" / "landed").exists()


def test_the_last_day_of_an_open_shop_is_its_newest_delivery(shop, tmp_path):
    living, settings = replace(shop, end_date=None), Settings(tmp_path)
    with pytest.raises(MissingInputError, match="no raw file has a day in its path"):
        find_last_day(living, settings)
    lake = Lake(settings.lake(living.name))
    append_run(lake, Run("r", "k", {}, datetime(2011, 3, 2, tzinfo=UTC), date(2011, 3, 1), "etl"))
    assert find_last_day(living, settings) == date(2011, 3, 1)  # of a dump without days, the newest night
    folder = tmp_path / "landing" / "online_retail" / "purchases"
    folder.mkdir(parents=True)
    for name in ("2011-03-02.csv.gz", "2011-03-10.csv.gz", "2011-04-01.txt"):
        (folder / name).touch()
    assert find_last_day(living, settings) == date(2011, 3, 10)
