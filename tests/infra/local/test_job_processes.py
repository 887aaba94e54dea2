"""Are a night's jobs forked from a process that has loaded what they need?"""

from __future__ import annotations

import multiprocessing
import subprocess
import tempfile
import time

from infra.local.environment import ROOT
from infra.local.job_processes import MODULES, SHARED, forked_jobs, serving_jobs
from infra.local.marked_processes import find_marked
from spark_jobs.runtime.job_client import VARIABLE, make_command
from tests.waiting import wait_until

#: Prints the libraries that are loaded when it starts, and how many hashes and lists jobs have still to make.
PROBE = """
import gc, sys
if __name__ == "__main__":
    loaded = {name for name in sys.modules if "." not in name}
    from spark_jobs.contract.shop.toml_section import time_zones
    from spark_jobs.lake.keys import code_hash, hash_code_of_tables, product_hash
    from spark_jobs.warehouse.schema.prepare import hash_layout_code
    caches = (code_hash, product_hash, time_zones)
    known = sum(cache.cache_info().misses for cache in caches)
    for function in (hash_code_of_tables, hash_layout_code, product_hash, time_zones):
        function()
    made = sum(cache.cache_info().misses for cache in caches) - known
    print(made, gc.get_freeze_count() > 100_000, gc.isenabled(), *loaded)
"""


def test_jobs_find_their_libraries_loaded_and_what_all_of_them_hash_and_list(tmp_path, monkeypatch):
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with forked_jobs([*MODULES, *SHARED, "probe"]):
        command = make_command("there_is_no_such_python", ["probe"])
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hashed, is_frozen, is_collecting, *loaded = done.stdout.split()
    assert (hashed, is_frozen, is_collecting) == ("0", "True", "True")
    assert {"adbc_driver_postgresql", "deltalake", "grpc", "pandas", "pyarrow", "pyspark"} <= set(loaded)
    assert not {"sklearn", "tensorflow", "mlflow"} & set(loaded)


def test_the_server_ends_though_a_forked_process_lives_on():
    """As after a failed night whose lineage is sent by a pool of processes."""
    other = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    begin = time.monotonic()
    with forked_jobs(["json"]):
        other.start()
    assert other.is_alive()
    assert time.monotonic() - begin < 30
    other.kill()


def test_the_server_and_its_jobs_are_found_by_their_mark(tmp_path, monkeypatch):
    """make stop ends them so, even after the process that started the server was killed."""
    (tmp_path / "endless.py").write_text("import time\nif __name__ == '__main__':\n    time.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serving_jobs(["endless"], {"MARK": str(tmp_path)}) as variables:
        monkeypatch.setenv(VARIABLE, variables[VARIABLE])
        job = subprocess.Popen(make_command("there_is_no_such_python", ["endless"]), cwd=ROOT)
        try:
            wait_until(lambda: len(find_marked("MARK", tmp_path)) >= 3, 60)
            assert len(find_marked("MARK", tmp_path)) == 3  # the server, the guard and the job
        finally:
            job.kill()
            job.wait()


def test_without_a_server_every_job_has_its_own_interpreter(tmp_path, monkeypatch):
    """A socket's address is 108 bytes at most."""
    (long := tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with forked_jobs(["json"]):
        assert make_command("python", ["json"]) == ["python", "-m", "json"]
