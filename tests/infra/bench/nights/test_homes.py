"""Is every engine measured on the same files, in a home and an environment of its own?"""

import pytest

from infra.bench.nights.homes import lend_home, make_engine_environment
from infra.local.environment import make_environment
from spark_jobs.contract.settings import CONNECT, SAIL, Settings


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw" / "landing" / "shop").mkdir(parents=True)
    (tmp_path / "raw" / "landing" / "shop" / "a.csv").write_text("x")
    return tmp_path / "raw"


@pytest.mark.parametrize("given", [CONNECT, SAIL])
def test_the_environment_does_not_choose_the_engine(raw, monkeypatch, given):
    monkeypatch.setenv("CHURN_ENGINE", given)
    monkeypatch.setenv("CHURN_SPARK_REMOTE", "sc://elsewhere")
    for engine in (CONNECT, SAIL):
        environment = make_engine_environment(raw, engine)
        assert environment["CHURN_ENGINE"] == engine
        # run_dag, which the environment is for, makes it once more
        assert make_environment((), environment)["CHURN_ENGINE"] == engine
        assert "CHURN_SPARK_REMOTE" not in environment


def test_engines_have_the_same_files_and_keys_and_nothing_else(raw):
    homes = [lend_home(raw, engine) for engine in (CONNECT, SAIL)]
    (homes[0] / "lake").mkdir()
    homes[0] = lend_home(raw, CONNECT)
    for home in homes:
        assert sorted(folder.name for folder in home.iterdir()) == ["landing", "secrets"]
        assert (home / "landing" / "shop" / "a.csv").samefile(raw / "landing" / "shop" / "a.csv")
        assert Settings(home).id_key() == Settings(raw).id_key()
