"""Defines no DAG: raises the errors of all faulty shop.toml files, which Airflow shows as an import error of this file.

The DAGs of the other shops load without them, see shops.py.
"""

from dags.shops import find_faults
from spark_jobs.contract.errors import ShopFileError

if faults := find_faults():
    raise ShopFileError("\n".join(["these shops have no DAGs until their files are corrected", *faults]))
