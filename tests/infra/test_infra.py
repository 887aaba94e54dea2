"""Do images, compose file, manifests and Spark profiles follow their rules, and name only existing things?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.cli.variables import list_variables
from infra.local.environment import read_spark_defaults
from infra.local.setup import UV_VERSION
from spark_jobs.runtime.object_store import VARIABLES
from tests.conftest import ROOT

INFRA = ROOT / "infra"
DOCKERFILES = sorted(INFRA.glob("images/*/Dockerfile"))
MANIFESTS = sorted(file for file in INFRA.glob("kubernetes/**/*.yaml") if file.name != "airflow-values.yaml")
OURS = ("churn/jobs", "churn/airflow")
MANAGERS, SIZES = ("standalone", "kubernetes", "yarn"), ("small", "medium", "large")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_an_image_is_pinned_small_and_unprivileged(file):
    text = file.read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert len(stages) >= 3  # uv, build, run
    assert text.count("uv sync --locked") == 2
    assert f"astral-sh/uv:{UV_VERSION}" in text
    assert ":latest" not in text
    last = stages[-1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", last, re.MULTILINE)
    assert 'image.revision="${COMMIT}"' in last
    assert " uv " not in last  # only what runs


def load_all(file: Path) -> Iterator[dict]:
    yield from filter(None, yaml.safe_load_all(file.read_text()))


def test_every_service_has_limits_and_a_health_check_and_a_read_only_root():
    compose = yaml.safe_load((INFRA / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert ":latest" not in service["image"]
        is_lasting = service.get("restart") != "no"
        assert not is_lasting or service["healthcheck"]["test"], name
        assert not is_lasting or service["deploy"]["resources"]["limits"]["memory"], name
        if any(image in service["image"] for image in OURS):
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_manifests_are_unprivileged():
    pods = [one for file in MANIFESTS for one in load_all(file) if one["kind"] == "Pod"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    listed = yaml.safe_load((INFRA / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert [name for name in listed if not (INFRA / "kubernetes" / name).exists()] == []


def test_executors_get_no_secret_but_the_credentials_of_the_store():
    [pod] = load_all(INFRA / "kubernetes" / "spark" / "executor-pod.yaml")
    [container] = pod["spec"]["containers"]
    references = [source["secretRef"]["name"] for source in container["envFrom"]]
    secrets = {one["metadata"]["name"]: one for one in load_all(INFRA / "kubernetes" / "secrets.example.yaml")}
    given = [name for reference in references for name in secrets[reference]["stringData"]]
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    given += services["spark-worker"]["environment"].keys() - {"CHURN_HOME"}
    assert set(given) <= set(VARIABLES)
    assert "env" not in container


def test_variables_versions_and_files_exist():
    texts = {file: file.read_text() for file in (*DOCKERFILES, *MANIFESTS, INFRA / "compose.yaml")}
    known = set(list_variables())
    for file, text in texts.items():
        assert set(re.findall(r"\bCHURN_[A-Z_]+", text)) <= known, file
        for path in re.findall(r"/opt/churn/((?:infra|dags)[\w./-]*)", text):
            assert (ROOT / path).exists(), path
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert {found for text in texts.values() for found in re.findall(r"churn/[a-z-]+:([\d.]+)", text)} == {version}
    values = (INFRA / "kubernetes" / "airflow-values.yaml").read_text()
    airflow = re.search(r'"apache-airflow==([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"airflowVersion: {airflow}\n" in values


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("size", SIZES)
def test_a_profile_and_a_size_form_one_configuration(manager, size):
    common = read_spark_defaults(INFRA / "spark" / manager / "spark-defaults.conf")
    sized = read_spark_defaults(INFRA / "spark" / "sizes" / f"{size}.conf")
    assert common.keys() & sized.keys() == set()
    whole = common | sized
    assert all(key.startswith("spark.") for key in whole)
    needed = {
        "spark.speculation": "false",
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        "spark.eventLog.enabled": "true",
        "spark.io.encryption.enabled": "true",
    }
    assert needed.items() <= whole.items()
    assert {"spark.driver.memory", "spark.executor.memory", "spark.executor.cores"} <= whole.keys()
    assert f"`{size}`" in (INFRA / "docs" / "costs.md").read_text()
