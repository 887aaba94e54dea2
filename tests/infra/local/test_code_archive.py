"""Is the archive of the jobs' code whole, named by its content, and built once?"""

from __future__ import annotations

import subprocess
import sys
import zipfile

from infra.local.code_archive import make_archive


def test_executors_can_import_the_jobs_from_the_archive_alone(tmp_path):
    archive = make_archive(tmp_path)
    code = "from spark_jobs.cleaning import drafting; from spark_jobs.contract.formats import FORMATS;" \
           " print(drafting.__file__, *FORMATS)"  # fmt: skip
    start = f"import sys; sys.path[:0] = {[str(archive), *sys.path]}"
    command = [sys.executable, "-S", "-c", f"{start}; {code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{archive}/spark_jobs/cleaning/drafting.py")
    assert "csv" in done.stdout.split()


def test_the_same_code_is_archived_once(tmp_path):
    archive = make_archive(tmp_path)
    before = archive.stat().st_mtime_ns
    assert make_archive(tmp_path) == archive
    assert archive.stat().st_mtime_ns == before
    assert make_archive(tmp_path / "other").read_bytes() == archive.read_bytes()
    assert "training/serving/scorer.py" in zipfile.ZipFile(archive).namelist()
