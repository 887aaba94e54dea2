"""The API that tasks talk to in dag.test: its newest version only."""

from __future__ import annotations


def keep_newest_version() -> bool:
    """Lets this process build only that version of the API that its own tasks speak; returns whether it will.

    At the first request Airflow otherwise builds every version that any worker may speak, by copying all routes for
    each: three CPU seconds of every local night, and no setting leaves that out. An Airflow that is made otherwise than
    the pinned one keeps all versions.
    """
    try:
        from airflow.api_fastapi.execution_api import versions
        from airflow.api_fastapi.execution_api.routes import execution_api_router as router
        from airflow.sdk.api.datamodels._generated import API_VERSION
        from cadwyn import HeadVersion, Version, VersionBundle, route_generation

        if versions.bundle.versions[0].value != API_VERSION:
            return False
        older_only = route_generation._DELETED_ROUTE_TAG
        versions.bundle = VersionBundle(HeadVersion(), Version(API_VERSION))
    except (ImportError, AttributeError):
        return False
    router.routes[:] = [route for route in router.routes if older_only not in getattr(route, "tags", ())]
    return True
