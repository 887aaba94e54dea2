"""Which file is newer? The day in the path decides; a snapshot delivered after a newer one changes nothing."""

from __future__ import annotations

from datetime import date

from spark_jobs.cleaning.updates import OUTDATED, rank_files
from spark_jobs.contract.shop.source import DeliveryDay, Source

NAMED = DeliveryDay(r"(\d{4}-\d{2}-\d{2})")


def deliver(path: str, on: int) -> dict:
    return {"delivery_id": path, "path": path, "delivery_day": date(2026, 10, on)}


def rank(deliveries: list[dict], registered: list[dict], snapshots: bool = True) -> dict[str, int]:
    source = Source("purchases", "", "*", "csv", {}, NAMED, updates="latest", snapshots=snapshots)
    return dict(rank_files(deliveries, registered, source))


def test_later_paths_of_a_day_are_newer_and_corrected_records_are_newest():
    files = [deliver("fixed:a.jsonl", 22), deliver("z/2026-10-21.csv", 22), deliver("a/2026-10-22.csv", 22)]
    found = rank(files, files, snapshots=False)
    assert sorted(found, key=found.__getitem__) == ["z/2026-10-21.csv", "a/2026-10-22.csv", "fixed:a.jsonl"]


def test_a_snapshot_delivered_after_a_newer_one_changes_nothing():
    newer, late, next_one = deliver("2026-10-22.csv", 22), deliver("2026-10-21.csv", 23), deliver("2026-10-24.csv", 24)
    found = rank([late, next_one], [newer, late, next_one])
    assert found[late["path"]] == OUTDATED
    assert found[next_one["path"]] > OUTDATED
    assert OUTDATED not in rank([late], [newer, late], snapshots=False).values()
    # Later deliveries are not known on the day of the file.
    assert OUTDATED not in rank([deliver("2026-10-21.csv", 21)], [deliver("2026-10-22.csv", 22)]).values()
