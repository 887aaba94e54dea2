"""The warehouse on this machine: an embedded PostgreSQL, unless CHURN_WAREHOUSE_URL names another.

start     starts the embedded PostgreSQL of CHURN_HOME unless it runs, and leaves it running
stop      stops it
url       prints the URL of the warehouse, without the password
psql      a prompt on the warehouse; further arguments are passed to psql, e.g. -c 'SELECT 1'; --shop sets the search
          path

Jobs never start a server: with CHURN_WAREHOUSE_URL=embedded they connect to the one that runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import read_settings
from infra.local.programs import find_psql
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.runtime.command import run_command


def main(argv: Sequence[str] | None = None) -> None:
    parser = _make_parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "psql":
        parser.error(f"unknown arguments: {' '.join(others)}")
    settings = read_settings()
    if arguments.command == "start":
        start(settings)
        print(f"the warehouse is up: {describe_address(settings.locate_warehouse())}")
    elif arguments.command == "stop":
        was_running = EmbeddedPostgres(settings.home).stop()
        print("the embedded PostgreSQL is stopped" if was_running else "the embedded PostgreSQL was not running")
    elif arguments.command == "url":
        print(describe_address(settings.locate_warehouse()))
        if settings.warehouse_url == EMBEDDED:
            print(f"its password is in {settings.embedded_password_file}", file=sys.stderr)
    else:
        start(settings)
        open_psql(settings.locate_warehouse(), arguments.shop and load_shop(arguments.shop).name, others)


def start(settings: Settings) -> None:
    """Starts the embedded PostgreSQL, if it is the warehouse and does not run yet."""
    if settings.warehouse_url == EMBEDDED:
        EmbeddedPostgres(settings.home).start()


def open_psql(url: str, schema: str | None, arguments: Sequence[str]) -> None:
    """Replaces this process by psql. The password is passed in the environment, because command lines are public."""
    server = conninfo_to_dict(url)
    environment = {**os.environ, "PGPASSWORD": str(server.pop("password", "") or os.environ.get("PGPASSWORD", ""))}
    if schema:
        environment["PGOPTIONS"] = f"-c search_path={schema}"
    psql = find_psql()
    sys.stdout.flush()
    os.execve(psql, [psql, *arguments, "-d", make_conninfo("", **server)], environment)


def run_tool(name: str, settings: Settings, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs on the warehouse, like pg_dump. Raises ChurnError if it fails."""
    server = conninfo_to_dict(settings.locate_warehouse())
    environment = {**os.environ, "PGPASSWORD": str(server.pop("password", "") or os.environ.get("PGPASSWORD", ""))}
    command = [str(Path(find_psql()).with_name(name)), "-d", make_conninfo("", **server), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise ChurnError(f"{name} failed: {(result.stderr.strip().splitlines() or ['no message'])[0]}")


def describe_address(url: str) -> str:
    """The URL without its password."""
    server = conninfo_to_dict(url)
    place = f"{server.get('host', 'localhost')}:{server.get('port', 5432)}"
    return f"postgresql://{server.get('user', '')}@{place}/{server.get('dbname', '')}"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("start", "stop", "url", "psql"):
        commands.add_parser(name)
    commands.choices["psql"].add_argument("--shop", metavar="SHOP.toml")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
