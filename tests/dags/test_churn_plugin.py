"""Does Airflow show the reports, to people who are logged in, and nothing else?"""

from __future__ import annotations

import importlib.util

import pytest
from starlette.testclient import TestClient

from dags.jobs import ReportLink, ReportOperator
from dags.shops import find_shops
from infra.local.environment import ROOT


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_HOME", str(tmp_path))
    spec = importlib.util.spec_from_file_location("plugin", ROOT / "infra" / "airflow" / "plugins" / "churn_plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "reports" / "shop").mkdir(parents=True)
    (tmp_path / "reports" / "shop" / "night.html").write_text("a page")
    (tmp_path / "reports" / "shop" / "secret.txt").write_text("no page")
    (tmp_path / "reports" / "secret.html").write_text("not of a shop")
    return module


@pytest.fixture
def client(plugin, monkeypatch):
    async def everybody(_):
        return None

    monkeypatch.setattr(plugin, "require_login", everybody)
    return TestClient(plugin.ChurnPlugin.fastapi_apps[0]["app"])


def test_a_page_is_served_without_permissions(client):
    answer = client.get("/shop/night.html")
    assert answer.text == "a page"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/shop/other.html", "/shop/secret.txt", "/shop/..%2Fsecret.html", "/..%2F..%2Fhome/x.html", "/../x.html"]
)
def test_no_other_file_is_served(client, path):
    assert client.get(path).status_code == 404


def test_an_anonymous_request_is_refused(plugin):
    client = TestClient(plugin.ChurnPlugin.fastapi_apps[0]["app"], raise_server_exceptions=False)
    assert client.get("/shop/night.html").status_code in (401, 403)


def test_the_task_links_to_its_report(monkeypatch):
    shop = find_shops()[0]
    task = ReportOperator(task_id="report", command=["x"], shop=shop, days=["2026-11-20"])
    assert ReportLink().get_link(task, ti_key=None) == ""
    task.report = "shop/night.html"
    assert ReportLink().get_link(task, ti_key=None).endswith("/churn-reports/shop/night.html")
