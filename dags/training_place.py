"""Where does a training run? Where Airflow's connection `churn_training` says; without it, where Airflow's task runs.

| type of the connection | the training runs | needs on the worker |
|---|---|---|
| `ssh` | on that host, by its own checkout and environment | `ssh` |
| `kubernetes` | in a pod made from a template | `kubectl` |

Whatever the place, it is a command on the task's leash: its lines are the task's log, an `error:` line is the task's
error, and it ends with the task. See infra/docs/howto/gpu.md for the connections' fields.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from dags import remote
from dags.jobs import ReportOperator

CONNECTION = "churn_training"
POD_TEMPLATE = Path(__file__).parents[1] / "infra" / "kubernetes" / "training-gpu-pod.yaml"
#: In the host's shell: $1 the checkout, $2 a file with its CHURN_… variables, then the module and its arguments.
#: Its log is text, because Airflow's task looks for lines that begin with `error:` or `result:`. The pipe keeps the job
#: from taking ssh's terminal for a person's; the terminal ends the job with the connection.
SSH_SCRIPT = (
    'cd "$1" && set -a && . "$2" && set +a && shift 2 && CHURN_LOG=text .venv/bin/python -m "$@" 2>&1 < /dev/null | cat'
)
#: $1 the pod, $2 its namespace, then the arguments of `kubectl run`. A pod of an earlier try is removed first. An error
#: of kubectl itself, such as no free node, is not the training's: Airflow tries again.
POD_SCRIPT = """
remove() { kubectl delete pod "$pod" --namespace "$namespace" --ignore-not-found "$@" >&2; }
pod=$1 namespace=$2
shift 2
remove --wait=true
trap 'remove --wait=false; exit 143' TERM INT
kubectl run "$pod" --namespace "$namespace" "$@" 2> >(sed -u 's/^error: /kubectl: /' >&2) &
wait $!
"""


class TrainingOperator(ReportOperator):
    """Runs the training in its place."""

    def make_command(self, context, arguments: Sequence[str]) -> list[str]:
        place = find_place()
        if place is None:
            return super().make_command(context, arguments)
        *words, result = arguments  # the last is the file for the result
        elsewhere = wrap(place, [*words, "-"], f"churn-{self.find_lock(context).stem.split('_')[-1]}")
        return [sys.executable, remote.__file__, result, *elsewhere]


def find_place() -> Connection | None:
    try:
        return Connection.get(CONNECTION)
    except AirflowNotFoundException:
        return None


def wrap(place: Connection, words: Sequence[str], name: str) -> list[str]:
    """The command that runs `python -m WORDS` in this place. name: the same for all tries of a task of a run."""
    if place.conn_type == "ssh":
        return wrap_ssh(place, words)
    if place.conn_type == "kubernetes":
        return wrap_pod(place, words, name)
    raise AirflowFailException(f"connection {CONNECTION}: its type is ssh or kubernetes, not {place.conn_type!r}")


def wrap_ssh(place: Connection, words: Sequence[str]) -> list[str]:
    extra = place.extra_dejson
    port = ["-p", str(place.port)] if place.port else []
    key = ["-i", extra["key_file"]] if "key_file" in extra else []
    if missing := {"folder", "variables"} - extra.keys():
        raise AirflowFailException(f"connection {CONNECTION}: its extra lacks {' and '.join(sorted(missing))}")
    if not place.host:
        raise AirflowFailException(f"connection {CONNECTION}: it names no host")
    host = f"{place.login}@{place.host}" if place.login else place.host
    there = ["bash", "-o", "pipefail", "-c", SSH_SCRIPT, "training", extra["folder"], extra["variables"], *words]
    options = ["-tt", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=30", "-o", "LogLevel=ERROR"]
    return ["ssh", *options, *port, *key, "--", host, shlex.join(there)]


def wrap_pod(place: Connection, words: Sequence[str], name: str) -> list[str]:
    """The template's first container runs the command; all else stays as the template has it."""
    extra = place.extra_dejson
    template = Path(extra.get("pod_template", POD_TEMPLATE))
    pod = yaml.safe_load(template.read_text())
    container = pod["spec"]["containers"][0]
    container["args"] = ["sh", "-c", 'exec "$@" 2>&1', "training", "python", "-m", *words]
    container["env"] = [*container.get("env", ()), {"name": "CHURN_LOG", "value": "text"}]  # as in SSH_SCRIPT
    pod["metadata"]["name"] = name
    return [
        "bash", "-c", POD_SCRIPT, "training", name, extra.get("namespace", "churn"),
        f"--image={container['image']}", "--restart=Never", "--attach", "--rm", "--quiet",
        "--pod-running-timeout=30m", f"--overrides={json.dumps(pod)}",
    ]  # fmt: skip
