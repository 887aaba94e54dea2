"""One resolver of the day, one reader of the environment, one maker of the key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings, resolve_as_of

EARLY_MORNING = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


def test_without_anything_else_it_is_the_day_before_the_run_in_the_shops_zone():
    assert resolve_as_of("Europe/London", EARLY_MORNING) == date(2026, 11, 20)
    assert resolve_as_of("America/New_York", EARLY_MORNING) == date(2026, 11, 19)  # still the 20th there


def test_the_parameter_goes_before_the_partition_and_the_partition_before_the_clock():
    assert resolve_as_of("UTC", EARLY_MORNING, param="2026-01-05") == date(2026, 1, 5)
    assert resolve_as_of("UTC", EARLY_MORNING, partition_key="2026-01-06") == date(2026, 1, 6)
    assert resolve_as_of("UTC", EARLY_MORNING, "2026-01-06", "2026-01-06") == date(2026, 1, 6)


def test_a_parameter_that_disagrees_with_the_partition_is_refused():
    with pytest.raises(ChurnError, match="disagrees"):
        resolve_as_of("UTC", EARLY_MORNING, "2026-01-05", "2026-01-06")


def test_a_day_that_is_none_is_refused_with_the_form_it_should_have():
    with pytest.raises(ChurnError, match="2011-09-06"):
        resolve_as_of("UTC", EARLY_MORNING, param="06/09/2011")


def test_of_many_first_callers_exactly_one_makes_the_key(tmp_path):
    settings = Settings(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: settings.id_key().secret, range(32)))
    assert len(secrets) == 1
    assert (tmp_path / "secrets" / "id_key").stat().st_mode & 0o077 == 0


def test_a_broken_key_is_named_without_being_shown(tmp_path):
    with pytest.raises(ChurnError, match="64 hex digits") as failure:
        Settings(tmp_path, id_key_hex="hunter2").id_key()
    assert "hunter2" not in str(failure.value)


def test_secrets_do_not_show_in_reprs(tmp_path):
    settings = Settings(tmp_path, warehouse_url="postgresql://user:pass@host/db", id_key_hex="ab" * 32)
    assert "pass" not in repr(settings)
    assert "abab" not in repr(settings)
    assert "abab" not in repr(settings.id_key())
