"""Airflow's plugin: registers the deadline reference for late scores, and serves the reports.

`/churn-reports/<shop>/<page>` serves the pages of CHURN_HOME/reports to users who are logged in to Airflow.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from dags.alerts import ScoresDue
from dags.jobs import REPORTS
from spark_jobs.contract.settings import Settings

#: A report is one self-contained file without scripts.
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


async def show_report(request: Request) -> FileResponse:
    await require_login(request)
    folder = Settings.from_environment().reports(request.path_params["shop"]).resolve()
    page = (folder / request.path_params["page"]).resolve()
    if page.suffix != ".html" or page.parent != folder or not page.is_file():
        raise HTTPException(404, "there is no such report")
    return FileResponse(page, headers=PAGE_HEADERS)


async def require_login(request: Request) -> None:
    """Raises an HTTPException unless the user is logged in to Airflow."""
    # Imported here, because all of Airflow's processes load this plugin, but only the API server serves pages.
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
