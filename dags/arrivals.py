"""Has the shop delivered the day's files of a log? A deferrable sensor, which holds no worker while it waits.

The wait ends a fixed time after the end of the day, whenever the task starts: a backfill of a day whose file never
came does not wait again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta

import fsspec
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from spark_jobs.contract.arrivals import has_arrived, is_due
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source


def list_paths(source: Source) -> list[str]:
    """All paths below the source's folder, on a disk or in an object store."""
    file_system, root = fsspec.core.url_to_fs(source.folder(Settings.from_environment().home))
    return [os.path.relpath(path, root) for path in file_system.find(root)]


def wait_until(shop: Shop, day: date) -> datetime:
    """When the wait for the day's files ends."""
    end_of_day = datetime.combine(day + timedelta(days=1), datetime.min.time(), shop.zone)
    return end_of_day + timedelta(hours=shop.schedule.wait_hours)


class DeliverySensor(BaseSensorOperator):
    """Waits for the files of the last of `days`. If they do not come, the task fails for the log that scoring needs and
    is skipped for any other log.

    is_wanted: a template; if it renders to an empty text, there is no wait.
    """

    template_fields = ("days", "is_wanted")

    def __init__(self, *, log_name: str, shop: Shop, days: Sequence[str], is_wanted: str, **kwargs):
        super().__init__(**kwargs)
        self.shop_file, self.log_name, self.days, self.is_wanted = str(shop.path), log_name, days, is_wanted

    def execute(self, context) -> None:
        if not self.is_wanted or not is_due(self.shop, self.log_name, self.day):
            self.log.info("%s: nothing to wait for as of %s", self.log_name, self.day)
            return
        source = self.shop.sources[self.log_name]
        has_come = has_arrived(list_paths(source), source, self.day)
        # Do not defer when there is nothing to wait for: a trigger that fires before its task has finished deferring
        # makes Airflow fail the task.
        if has_come or time.time() >= wait_until(self.shop, self.day).timestamp():
            self.execute_complete(context, has_come)
            return
        trigger = DeliveryTrigger(self.shop_file, self.log_name, self.day.isoformat())
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context, event: bool) -> None:
        if event:
            self.log.info("%s: the files of %s are there", self.log_name, self.day)
            return
        source = self.shop.sources[self.log_name]
        why = f"{self.log_name}: no file of {self.day} came by {wait_until(self.shop, self.day):%Y-%m-%d %H:%M %Z}"
        context["ti"].xcom_push(key="why", value=why)
        if self.log_name != self.shop.needed_log:
            raise AirflowSkipException(f"{why}; the night continues without it, and a later night reads it")
        raise AirflowFailException(
            f"{why}, and without {self.log_name} nobody can be scored: let {source.files} arrive in {source.location}"
            " and clear this task; or add the day to closed_days; or trigger the day without wait_for_files"
        )

    @property
    def shop(self) -> Shop:
        return load_shop(self.shop_file)

    @property
    def day(self) -> date:
        return date.fromisoformat(self.days[-1])


class DeliveryTrigger(BaseTrigger):
    """Polls for the day's file. The event is True when the file is there, False when the wait has ended."""

    def __init__(self, shop_file: str, log_name: str, day: str):
        super().__init__()
        self.shop_file, self.log_name, self.day = shop_file, log_name, day

    def serialize(self) -> tuple[str, dict[str, str]]:
        arguments = {"shop_file": self.shop_file, "log_name": self.log_name, "day": self.day}
        return "dags.arrivals.DeliveryTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        shop, day = load_shop(self.shop_file), date.fromisoformat(self.day)
        source, until = shop.sources[self.log_name], wait_until(shop, day).timestamp()
        while not has_arrived(await asyncio.to_thread(list_paths, source), source, day):
            if time.time() >= until:
                yield TriggerEvent(False)
                return
            await asyncio.sleep(shop.schedule.poll_seconds)
        yield TriggerEvent(True)
