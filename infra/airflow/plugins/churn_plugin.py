"""Airflow's plugin: registers the deadline reference for late scores, and serves the reports.

`/churn-reports/<shop>/<page>` serves the pages of a shop's reports to users who are logged in to Airflow.
"""

from __future__ import annotations

import re

from airflow.plugins_manager import AirflowPlugin
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from dags.alerts import ScoresDue
from dags.jobs import REPORTS
from spark_jobs.contract.settings import Settings

NAME, PAGE = re.compile("[a-z][a-z0-9_]*"), re.compile(r"[a-z][a-z0-9_-]*\.html")
NO_REPORT = "there is no such report"
#: A report is one self-contained file without scripts.
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


async def show_report(request: Request) -> HTMLResponse:
    await require_login(request)
    shop, page = request.path_params["shop"], request.path_params["page"]
    if not NAME.fullmatch(shop) or not PAGE.fullmatch(page):
        raise HTTPException(404, NO_REPORT)
    return HTMLResponse(await run_in_threadpool(read_page, shop, page), headers=PAGE_HEADERS)


def read_page(shop: str, page: str) -> bytes:
    """Raises an HTTPException if there is none."""
    # Imported here, because all of Airflow's processes load this plugin, but only the API server serves pages.
    from spark_jobs.lake.location import Location

    try:
        return (Location.parse(Settings.from_environment().reports(shop)) / page).read_bytes()
    except FileNotFoundError:
        raise HTTPException(404, NO_REPORT) from None


async def require_login(request: Request) -> None:
    """Raises an HTTPException unless the user is logged in to Airflow."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.security import HTTPBearer

    await get_user(request, None, await HTTPBearer(auto_error=False)(request))


REPORT_PAGES = Starlette(routes=[Route("/{shop}/{page}", show_report)])


class ChurnPlugin(AirflowPlugin):
    name = "churn"
    deadline_references = (ScoresDue,)
    fastapi_apps = (
        {
            "app": Starlette(routes=[Route("/{shop}/{page}", show_report)]),
            "url_prefix": f"/{REPORTS}",
            "name": "reports",
        },
    )
