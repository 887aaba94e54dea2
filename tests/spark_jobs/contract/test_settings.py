"""Are settings read from the environment, and is the key made once?"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings


def test_one_of_many_concurrent_callers_creates_the_key(tmp_path):
    settings = Settings(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: settings.id_key().secret, range(32)))
    assert len(secrets) == 1
    assert (tmp_path / "secrets" / "id_key").stat().st_mode & 0o077 == 0


def test_a_broken_key_is_named_without_being_shown(tmp_path):
    with pytest.raises(ChurnError, match="64 hex digits") as failure:
        Settings(tmp_path, id_key_hex="hunter2").id_key()
    assert "hunter2" not in str(failure.value)


def test_reprs_contain_no_secrets(tmp_path):
    settings = Settings(tmp_path, warehouse_url="postgresql://user:pass@host/db", id_key_hex="ab" * 32)
    assert "pass" not in repr(settings)
    assert "abab" not in repr(settings)
    assert "abab" not in repr(settings.id_key())
