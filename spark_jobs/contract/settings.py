"""Settings from environment variables, which only this module reads.

| variable | meaning | default |
|---|---|---|
| CHURN_HOME | the folder that holds all state | ./.churn |
| CHURN_LAKE | where lakes, models, reports and corrected records are: a path or URL, like s3://bucket/a | CHURN_HOME |
| CHURN_WAREHOUSE_URL | postgresql://user:password@host/db, or `embedded`: the one that local commands start | none |
| CHURN_ID_KEY | the key of the customer hash, 64 hex digits | created once, stored in CHURN_HOME/secrets |
| CHURN_CONTROL_KEY | the key that draws the control group, 64 hex digits; never change it | like CHURN_ID_KEY |
| CHURN_TOMBSTONE_KEY | the key that recognises erased customers, 64 hex digits; never change it | like CHURN_ID_KEY |
| CHURN_MLFLOW_URI | an MLflow server | SQLite in CHURN_HOME |
| CHURN_SPARK_MASTER | where jobs run when started without spark-submit | local[*] |
| CHURN_ENGINE | the engine of the jobs: `classic`, `connect` or `sail` | classic; local commands choose |
| CHURN_SPARK_REMOTE | a Spark Connect server that jobs use instead, like sc://host:15002/;token=… | none |
| CHURN_ENGINE_IDLE_SECONDS | after how many seconds without a job the shared engine ends | 300 |
| CHURN_SHOPS | the shops that Airflow creates DAGs for: shop.toml files, or folders of them, as in PATH | none |
| CHURN_AIRFLOW_PORT | where `make airflow` listens | 8080 |
| CHURN_ALERT_EMAIL | who gets a mail when a run fails or is late, through Airflow's connection smtp_default | nobody |
| CHURN_ALERT_WEBHOOK | the Airflow HTTP connection that the same alert is posted to as JSON | none |
| CHURN_CATCH_UP_MB | after a change: the most MB of existing data that a night rebuilds, per table | 1000 |
| CHURN_LOG | `text`, or `json`: every line that commands and jobs print is one JSON object | text |
| CHURN_RUN_ID | the run_id of these objects | one for each `churn` command |
| CHURN_JOBS_PYTHON | the interpreter of the jobs' environment, if the caller runs in another one | python |
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from spark_jobs.contract.errors import ChurnError

#: The CHURN_WAREHOUSE_URL that means the PostgreSQL which the local commands start, below CHURN_HOME.
EMBEDDED = "embedded"
EMBEDDED_USER, EMBEDDED_DATABASE = "churn", "churn"
#: The values of CHURN_ENGINE.
ENGINES = CLASSIC, CONNECT, SAIL = "classic", "connect", "sail"
#: The option of a session that has the value of CHURN_ENGINE.
ENGINE_OPTION = "churn.engine"
#: The values of CHURN_LOG.
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True)
class IdKey:
    """The secret key of the customer hash, and the name by which the warehouse refers to it."""

    secret: bytes

    @property
    def key_id(self) -> str:
        return sha256(b"key id" + self.secret).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"IdKey({self.key_id})"


@dataclass(frozen=True)
class Settings:
    home: Path
    warehouse_url: str | None = None
    mlflow_uri: str | None = None
    spark_master: str = "local[*]"
    id_key_hex: str | None = None
    control_key_hex: str | None = None
    tombstone_key_hex: str | None = None
    is_spark_submitted: bool = False
    shops: tuple[Path, ...] = ()
    jobs_python: str = "python"
    airflow_port: int = 8080
    alert_email: str | None = None
    alert_webhook: str | None = None
    catch_up_mb: int = 1000
    engine: str = CLASSIC
    spark_remote: str | None = None
    engine_idle_seconds: int = 300
    log_format: str = "text"
    run_id: str | None = None
    lake_place: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environment is None else environment
        return cls(
            home=Path(env.get("CHURN_HOME") or ".churn").resolve(),
            warehouse_url=env.get("CHURN_WAREHOUSE_URL") or None,
            mlflow_uri=env.get("CHURN_MLFLOW_URI") or None,
            spark_master=env.get("CHURN_SPARK_MASTER") or "local[*]",
            id_key_hex=env.get("CHURN_ID_KEY") or None,
            control_key_hex=env.get("CHURN_CONTROL_KEY") or None,
            tombstone_key_hex=env.get("CHURN_TOMBSTONE_KEY") or None,
            # spark-submit starts the JVM and chooses the master before it starts Python
            is_spark_submitted="PYSPARK_GATEWAY_PORT" in env,
            shops=tuple(Path(p) for p in env.get("CHURN_SHOPS", "").split(os.pathsep) if p),
            jobs_python=env.get("CHURN_JOBS_PYTHON") or "python",
            airflow_port=_read_port(env.get("CHURN_AIRFLOW_PORT") or "8080"),
            alert_email=env.get("CHURN_ALERT_EMAIL") or None,
            alert_webhook=env.get("CHURN_ALERT_WEBHOOK") or None,
            catch_up_mb=_read_number("CHURN_CATCH_UP_MB", env.get("CHURN_CATCH_UP_MB") or "1000"),
            engine=_read_choice("CHURN_ENGINE", env.get("CHURN_ENGINE") or CLASSIC, ENGINES),
            spark_remote=env.get("CHURN_SPARK_REMOTE") or None,
            lake_place=_resolve_place(env.get("CHURN_LAKE") or None),
            engine_idle_seconds=_read_number(
                "CHURN_ENGINE_IDLE_SECONDS", env.get("CHURN_ENGINE_IDLE_SECONDS") or "300"
            ),
            log_format=_read_choice("CHURN_LOG", env.get("CHURN_LOG") or "text", LOG_FORMATS),
            run_id=env.get("CHURN_RUN_ID") or None,
        )

    def __repr__(self) -> str:  # urls and keys are secrets
        return f"Settings(home={self.home})"

    @property
    def is_spark_shared(self) -> bool:
        """Whether jobs are clients of a Spark Connect server. spark-submit has started a Spark of the job's own."""
        return not self.is_spark_submitted and (self.spark_remote is not None or self.engine in (CONNECT, SAIL))

    @property
    def catch_up_bytes(self) -> int:
        return self.catch_up_mb * 1_000_000

    def lake(self, shop_name: str) -> str:
        """The place of a shop's lake: a path or a URL."""
        return f"{(self.lake_place or str(self.home / 'lake')).rstrip('/')}/{shop_name}"

    def models(self, shop_name: str) -> str:
        return self._beside_lake("models", shop_name)

    def fixes(self, shop_name: str) -> str:
        """The place of a shop's corrected records, which executors read."""
        return self._beside_lake("fixes", shop_name)

    def _beside_lake(self, kind: str, shop_name: str) -> str:
        return str(self.home / kind / shop_name) if self.lake_place is None else f"{self.lake(shop_name)}/_{kind}"

    def reports(self, shop_name: str) -> str:
        return self._beside_lake("reports", shop_name)

    def ablation(self, shop_name: str) -> Path:
        """The results of `make ablate`; an interrupted search continues from them."""
        return self.home / "ablation" / shop_name

    @property
    def embedded_folder(self) -> Path:
        """The folder of the embedded PostgreSQL."""
        return self.home / "warehouse"

    @property
    def embedded_port_file(self) -> Path:
        """The port of the embedded PostgreSQL, chosen at its first start and then fixed."""
        return self.embedded_folder / "port"

    @property
    def embedded_password_file(self) -> Path:
        return self.home / "secrets" / "warehouse_password"

    def locate_warehouse(self) -> str:
        """The warehouse's URL with its password; never print it.

        Raises ChurnError if none is set, or if the embedded one has never been started.
        """
        if self.warehouse_url is None:
            raise ChurnError("no warehouse: set CHURN_WAREHOUSE_URL to postgresql://user:password@host/database, or to "
                             f"{EMBEDDED} for the one that `make demo` and the other local commands start")  # fmt: skip
        return self.locate_embedded() if self.warehouse_url == EMBEDDED else self.warehouse_url

    def locate_embedded(self, database: str = EMBEDDED_DATABASE) -> str:
        """The URL of one of the embedded PostgreSQL's databases, with its password."""
        try:
            port, password = (
                self.embedded_port_file.read_text().strip(),
                self.embedded_password_file.read_text().strip(),
            )
        except OSError as error:
            raise ChurnError(f"{error.filename} cannot be read ({error.strerror}): start the embedded warehouse with "
                             "`python -m infra.local.warehouse start`, or restore the file") from None  # fmt: skip
        return f"postgresql://{EMBEDDED_USER}:{password}@127.0.0.1:{port}/{database}"

    @property
    def mlflow_tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    def id_key(self) -> IdKey:
        """The key of the customer hash; created on first use if the environment gives none."""
        return IdKey(self._key(self.id_key_hex, "id_key"))

    def control_key(self) -> bytes:
        """The key that draws the control group; created on first use if the environment gives none."""
        return self._key(self.control_key_hex, "control_key")

    def tombstone_key(self) -> IdKey:
        """The key by which erased customers are recognised; created on first use if the environment gives none."""
        return IdKey(self._key(self.tombstone_key_hex, "tombstone_key"))

    def _key(self, given_hex: str | None, name: str) -> bytes:
        text = given_hex or _kept_secret(self.home / "secrets" / name)
        try:
            secret = bytes.fromhex(text.strip())
        except ValueError:
            secret = b""
        if len(secret) != 32:
            what = name.replace("_", " ")
            raise ChurnError(f"the {what} (CHURN_{name.upper()} or CHURN_HOME/secrets/{name}) must be 64 hex digits")
        return secret


def _kept_secret(path: Path) -> str:
    """The secret in this file. If it is missing and several processes ask at once, exactly one creates it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def _resolve_place(text: str | None) -> str | None:
    return text if text is None or "://" in text else str(Path(text).resolve())


def _read_port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65_536):
        raise ChurnError(f"CHURN_AIRFLOW_PORT must be a port like 8080, not {text!r}")
    return int(text)


def _read_number(variable: str, text: str) -> int:
    if not text.isdecimal():
        raise ChurnError(f"{variable} must be a whole number like 1000, not {text!r}")
    return int(text)


def _read_choice(variable: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ChurnError(f"{variable} must be {', '.join(choices[:-1])} or {choices[-1]}, not {text!r}")
    return text
