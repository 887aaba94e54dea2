"""Does setup report what is missing, and leave current environments alone?"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from infra.local import environment, setup
from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError


def put_java(folder, version: str) -> None:
    """Puts a java on PATH that prints this version to stderr, as Java does."""
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-04-16' >&2\n")
    java.chmod(0o755)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("version", ["17.0.15", "21"])
def test_a_fitting_java_passes(path, version):
    put_java(path, version)
    setup.check_java()


def test_without_java_one_line_says_what_to_install(path):
    with pytest.raises(ChurnError, match="apt-get install openjdk-17-jre-headless") as caught:
        setup.check_java()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("version", "message"), [("11.0.2", "is 11"), ("1.8.0_402", "is 1"), ("25", "is 25")])
def test_an_unsupported_java_is_named(path, version, message):
    put_java(path, version)
    with pytest.raises(ChurnError, match=f"Java 17 or 21 is needed.*{message}"):
        setup.check_java()


def test_java_home_has_precedence(path, monkeypatch):
    put_java(path, "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(path / "nowhere"))
    with pytest.raises(ChurnError, match="nowhere/bin/java does not run"):
        setup.check_java()


def test_an_environment_is_current_until_its_lock_its_group_or_its_place_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("a")
    (tmp_path / "uv.lock").write_text("b")
    for name in ("one", "two"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "python").touch()
        (tmp_path / name / setup.STAMP).write_text(setup.make_stamp(tmp_path / "one", "jobs"))
    assert setup.is_current(tmp_path / "one", "jobs")
    assert not setup.is_current(tmp_path / "one", "jobs-gpu")
    assert not setup.is_current(tmp_path / "two", "jobs")
    (tmp_path / "uv.lock").write_text("c")
    assert not setup.is_current(tmp_path / "one", "jobs")


def test_an_environment_without_its_interpreter_is_not_current(tmp_path):
    tmp_path.joinpath(setup.STAMP).write_text(setup.make_stamp(tmp_path, "jobs"))
    assert not setup.is_current(tmp_path, "jobs")


def test_sail_is_installed_where_shops_run_on_it_and_then_kept_current(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "SAIL_ENVIRONMENT", tmp_path / "sail")
    assert "sail" not in setup.choose_environments(False).values()
    assert setup.choose_environments(True)[tmp_path / "sail"] == "sail"
    (tmp_path / "sail").mkdir()
    assert setup.choose_environments(False)[tmp_path / "sail"] == "sail"


def test_java_is_asked_for_where_shops_run_on_spark_and_by_commands_that_must(path, monkeypatch):
    monkeypatch.setattr(setup, "is_current", lambda folder, group: True)
    for fits in (True, False):
        monkeypatch.setattr(setup, "fits_sail", lambda environment, fits=fits: fits)
        for engine, asks in (("", not fits), ("sail", False), ("connect", True), ("classic", True)):
            monkeypatch.setenv("CHURN_ENGINE", engine)
            with pytest.raises(ChurnError, match="Java 17 or 21") if asks else nullcontext():
                setup.main([])
            with pytest.raises(ChurnError, match=r"set JAVA_HOME$"):
                setup.main(["--with-java"])
            setup.main(["--without-java"])


def test_the_way_out_of_a_missing_java_leads_out(path, monkeypatch):
    monkeypatch.setattr(setup, "fits_sail", lambda environment: False)
    assert "CHURN_ENGINE=sail" in setup.name_way_out({})
    for wanted in ({"CHURN_LAKE": "s3://b/x"}, {"CHURN_SPARK_MASTER": "local[2]"}, {"CHURN_ENGINE": "connect"}):
        assert setup.name_way_out(wanted) == ""
    monkeypatch.setenv("CHURN_LAKE", "s3://b/x")
    monkeypatch.setenv("CHURN_ENGINE", "sail")
    with pytest.raises(ChurnError, match=r"CHURN_LAKE is s3://b/x, but CHURN_ENGINE is sail"):
        setup.main([])


def test_without_sail_shops_run_on_spark_unless_it_was_asked_for(path, monkeypatch, capsys):
    def fail(uv: str, folder: Path, group: str) -> None:
        raise ChurnError(f"no {group}")

    monkeypatch.setattr(setup, "is_current", lambda folder, group: group != "sail")
    monkeypatch.setattr(setup, "fits_sail", lambda environment: True)
    monkeypatch.setattr(setup, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup, "sync", fail)
    monkeypatch.setattr(setup, "archive_classes", lambda version: print(f"archive {version}"))
    put_java(path, "17.0.1")
    setup.main([])
    assert capsys.readouterr().out.splitlines()[1:] == ["archive 17.0.1"]
    monkeypatch.setenv("CHURN_ENGINE", "sail")
    with pytest.raises(ChurnError, match="no sail"):
        setup.main([])


def test_setup_imports_the_standard_library_only():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import infra.local.setup"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_spark_gets_the_local_settings_and_the_class_archive_unless_it_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "JOBS_ENVIRONMENT", tmp_path)
    assert "SharedArchiveFile" not in environment.make_java_options()
    (tmp_path / "spark-java-17.0.1.jsa").write_text("classes")
    (tmp_path / "spark-java-21.jsa").touch()  # the result of setup without an archive
    options = environment.make_java_options().split()
    assert f"-XX:SharedArchiveFile={tmp_path}/spark-java-17.0.1.jsa" in options
    assert "-Dspark.driver.host=127.0.0.1" in options
    assert "-XX:+UseSerialGC" in options
    assert not [option for option in options if "spark-java-21" in option or "extraJavaOptions" in option]


def test_a_failed_class_archive_is_not_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup, "JOBS_ENVIRONMENT", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho 'no room' >&2\nexit 1\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    setup.archive_classes("17.0.1")
    assert "Spark starts more slowly (no room)" in capsys.readouterr().out
    setup.archive_classes("17.0.1")
    assert capsys.readouterr().out == ""


def test_the_status_does_without_java_and_spark(tmp_path):
    code = (
        "import sys; from infra.cli.__main__ import run; code = run(['status', '--shop', 'cdnow']);"
        "print(code, sorted({'pyspark', 'py4j', 'tensorflow'} & set(sys.modules)))"
    )
    bare = {"PATH": str(tmp_path), "CHURN_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "1 []"
    assert done.stderr == "error: cdnow: look at warehouse, scores\n"


def test_an_installation_prints_one_line_and_what_went_wrong(capfd):
    code = "import sys; print('+ numpy==2.0', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    for code_wanted, errors in (("0", None), ("2", "+ numpy==2.0\n")):
        assert setup.run_with_clock("setup: .venv", [sys.executable, "-c", code, code_wanted], os.environ) == errors
    assert capfd.readouterr() == ("setup: .venv\nsetup: .venv\n", "")
