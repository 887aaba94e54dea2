"""How long does a night wait for the files of its day, and what happens without them?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from dags import arrivals
from dags.arrivals import DeliverySensor, DeliveryTrigger
from dags.shops import find_shops
from spark_jobs.contract.arrivals import has_arrived
from spark_jobs.contract.shop.model import Schedule

DAY = date(2025, 3, 20)
SHOP = next(shop for shop in find_shops() if shop.name == "simulated")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The simulated shop with its landing folder, a closed day, and a short poll interval."""
    monkeypatch.setenv("CHURN_HOME", str(tmp_path))
    shop = replace(SHOP, schedule=Schedule(poll_seconds=0.01), closed_days=(DAY,))
    monkeypatch.setattr(arrivals, "load_shop", lambda _: shop)
    return shop


def sense(shop, log_name: str = "purchases", day: date = DAY, is_wanted: str = "yes") -> DeliverySensor:
    return DeliverySensor(
        task_id="wait", log_name=log_name, shop=shop, days=["2025-01-01", day.isoformat()], is_wanted=is_wanted
    )


def watch(log_name: str = "purchases", day: date = DAY, seconds: float = 5):
    """The trigger's event."""
    kwargs = DeliveryTrigger("shop.toml", log_name, day.isoformat()).serialize()[1]

    async def first_event():
        async with asyncio.timeout(seconds):
            return await anext(DeliveryTrigger(**kwargs).run())

    return asyncio.run(first_event()).payload


def land(tmp_path, name: str) -> None:
    file = tmp_path / "landing" / "simulated" / "purchases" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def test_the_file_of_the_day_ends_the_wait(shop, tmp_path):
    land(tmp_path, "2025-03-20.csv.gz")
    assert watch() is True


def test_a_file_of_another_day_or_kind_does_not_end_the_wait(shop, tmp_path):
    land(tmp_path, "2025-03-19.csv.gz")
    land(tmp_path, "2025-03-20.csv.gz.part")
    assert watch() is False  # and as the day is long past, there is no wait


def test_with_lag_days_the_file_of_the_next_day_is_waited_for():
    source = SHOP.sources["purchases"]
    lagging = replace(source, delivery_day=replace(source.delivery_day, lag_days=1))
    assert not has_arrived(["2025-03-20.csv.gz"], lagging, DAY)
    assert has_arrived(["2025-03-21.csv.gz"], lagging, DAY)


def test_the_trigger_polls_while_the_file_may_still_come(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(arrivals, "wait_until", lambda *_: datetime(2999, 1, 1, tzinfo=UTC))
    listings = iter([[], [], ["2025-03-20.csv.gz"]])
    monkeypatch.setattr(arrivals, "list_paths", lambda _: next(listings))
    assert watch() is True


def test_the_wait_ends_some_hours_after_the_day_in_the_shops_zone(shop):
    assert arrivals.wait_until(shop, DAY) == datetime(2025, 3, 21, 3, tzinfo=UTC)  # Berlin, 04:00


def test_closed_days_and_disabled_waits_are_not_waited_for(shop, monkeypatch):
    monkeypatch.setattr(arrivals, "wait_until", lambda *_: datetime(2999, 1, 1, tzinfo=UTC))
    assert sense(shop).execute({}) is None
    assert sense(shop, day=DAY + timedelta(days=1), is_wanted="").execute({}) is None
    with pytest.raises(TaskDeferred):
        sense(shop, day=DAY + timedelta(days=1)).execute({})


def test_an_existing_file_is_not_waited_for(shop, tmp_path):
    land(tmp_path, "2025-03-21.csv.gz")
    assert sense(shop, day=DAY + timedelta(days=1)).execute({}) is None


def test_a_night_fails_without_the_needed_log_and_continues_without_another(shop):
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: None)}
    with pytest.raises(AirflowFailException, match=r"no file of 2025-03-20 came by 2025-03-21 04:00 CET.*clear"):
        sense(shop).execute_complete(context, False)
    with pytest.raises(AirflowSkipException, match="the night continues without it"):
        sense(shop, "browses").execute_complete(context, False)
    assert sense(shop).execute_complete(context, True) is None
