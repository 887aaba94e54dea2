"""Shows every faulty shop.toml as an import error of its own in Airflow; makes no DAG. See shops.py."""

from dags.shops import find_faults
from spark_jobs.contract.errors import ShopFileError

if faults := find_faults():
    raise ShopFileError("\n".join(["these shops have no DAGs until their files are mended", *faults]))
