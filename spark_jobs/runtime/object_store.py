"""What Spark is started with if the lake is in S3 or a store that speaks its protocol.

Hadoop's S3A reads credentials, endpoint and region from the same variables as everything else (AWS_…), or from the
platform; no option of ours contains them.
"""

from __future__ import annotations

from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings

#: Where `python -m infra.local.object_store_jars` puts Hadoop's S3A.
S3A_JARS = Path(__file__).resolve().parents[2] / ".s3a"
#: What decides who Spark is to the store, and where the store is.
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
             "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")  # fmt: skip
#: Every store understands buckets in the path; in the name of the host only some do.
S3A_OPTIONS = {"spark.hadoop.fs.s3a.path.style.access": "true"}


def make_options(settings: Settings) -> dict[str, str]:
    """Options of Spark for the place of the lake; none for a folder."""
    return S3A_OPTIONS if settings.lake_place and settings.lake_place.startswith(("s3://", "s3a://")) else {}


def make_local_options(settings: Settings) -> dict[str, str]:
    """In addition, for a Spark on this machine: its libraries. Raises ChurnError if they are not there."""
    if not make_options(settings):
        return {}
    if not S3A_JARS.is_dir():
        raise ChurnError("Spark cannot read s3:// yet: run python -m infra.local.object_store_jars")
    return {"spark.driver.extraClassPath": str(S3A_JARS / "*")}
