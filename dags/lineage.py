"""Which tables does a task read and write? The DAGs declare it, and OpenLineage reports it.

In a DAG a table has a prefix for its storage: raw files, lake or warehouse. The data sets that are reported follow
OpenLineage's naming: the folder of a log or of a lake table; for the warehouse the server, database, schema and table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop

RAW, LAKE, WAREHOUSE = "raw", "lake", "warehouse"


def raw(*logs: str) -> list[str]:
    return [f"{RAW}:{log}" for log in logs]


def lake(*tables: str) -> list[str]:
    return [f"{LAKE}:{table}" for table in tables]


def warehouse(*tables: str) -> list[str]:
    """Tables of the shop's schema; a table of another schema is given as schema.table."""
    return [f"{WAREHOUSE}:{table}" for table in tables]


def make_lineage(shop_file: str, reads: Iterable[str], writes: Iterable[str], versions: Mapping[str, int]) -> object:
    """An OperatorLineage. versions: lake table to the version that was read, for the tables that the job reported."""
    from airflow.providers.openlineage.extractors.base import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset

    shop, settings, inputs = load_shop(shop_file), Settings.from_environment(), []
    for table in dict.fromkeys([*reads, *lake(*versions)]):
        version = versions.get(table.removeprefix(f"{LAKE}:"))
        facet = {} if version is None else {"version": dataset_version_dataset.DatasetVersionDatasetFacet(str(version))}
        inputs.append(InputDataset(*locate(table, shop, settings), facets=facet))
    return OperatorLineage(inputs=inputs, outputs=[OutputDataset(*locate(t, shop, settings)) for t in writes])


def locate(table: str, shop: Shop, settings: Settings) -> tuple[str, str]:
    """The namespace and the name of a data set."""
    place, name = table.split(":")
    if place == RAW:
        return _locate_folder(shop.sources[name].folder(settings.home))
    if place == LAKE:
        return _locate_folder(f"{settings.lake(shop.name)}/{name}")
    server = urlsplit(settings.locate_warehouse())
    qualified = name if "." in name else f"{shop.name}.{name}"
    return f"postgres://{server.hostname}:{server.port or 5432}", f"{server.path.strip('/')}.{qualified}"


def _locate_folder(folder: str) -> tuple[str, str]:
    url = urlsplit(folder)
    return (f"{url.scheme}://{url.netloc}", url.path.strip("/")) if url.netloc else ("file", url.path)
