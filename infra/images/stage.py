"""One stage of a Dockerfile as a folder: carries out its instructions, and runs commands in it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.environment import ROOT
from spark_jobs.contract.errors import ChurnError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Stage:
    """A folder that is the root of an image, and what the Dockerfile says of it."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    folder: str = "/"
    user: str = "0:0"
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    volumes: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


def read_steps(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Pairs of instruction and the rest of its line; continued lines are joined, comments dropped."""
    lines = (line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def expand(text: str, arguments: dict[str, str], stage: Stage | None) -> str:
    """The text with ${NAME} and $NAME replaced by arguments and the stage's environment; unknown ones stay."""
    known = arguments | (stage.environment if stage else {})
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known.get(found[1], found[0]), text)


def copy(source: Path, target: Path, *options: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", "--no-target-directory", *options, source, target], check=True)


def follow(stage: Stage, word: str, rest: str, stages: dict[str, Stage], folder: Path) -> None:
    """Carries out one instruction."""
    if word == "RUN":
        run_step(stage, re.sub(r"^(--mount=\S+\s+)+", "", rest), folder / "cache")
    elif word == "COPY":
        copy_files(stage, rest.split(), stages)
    elif word == "ENV":
        stage.environment |= dict(part.split("=", 1) for part in shlex.split(rest))
    elif word == "WORKDIR":
        stage.folder = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    elif word == "HEALTHCHECK":
        stage.health = tuple(json.loads(rest[rest.index("[") :]))
    elif word in ("SHELL", "VOLUME", "ENTRYPOINT", "CMD"):
        name = {"SHELL": "shell", "VOLUME": "volumes", "ENTRYPOINT": "entrypoint", "CMD": "command"}[word]
        setattr(stage, name, tuple(json.loads(rest)))
    elif word != "LABEL":
        raise ChurnError(f"{word} is not known here: add it to infra/images/in_root.py")


def copy_files(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    *sources, target = [word for word in words if not word.startswith("--")]
    place = stage.root / os.path.join(stage.folder, target).lstrip("/")
    origin = next((word.partition("=")[2] for word in words if word.startswith("--from=")), None)
    if origin is None:
        place.mkdir(parents=True, exist_ok=True)
        paths = list_context() if sources == ["."] else sources
        archive = subprocess.Popen(["git", "archive", "HEAD", *paths], cwd=ROOT, stdout=subprocess.PIPE)
        subprocess.run(["tar", "--extract", "--no-same-owner", "--directory", place], stdin=archive.stdout, check=True)
        if archive.wait():
            raise ChurnError(f"git cannot give {' '.join(sources)} of HEAD")
        return
    for source in sources:
        copy(stages[origin].root / source.lstrip("/"), place, "--link")  # gigabytes that no later step changes


def list_context() -> list[str]:
    """The pathspecs of what .dockerignore lets into an image."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().split() if "__pycache__" not in line]
    kept = [line[1:] for line in lines if line.startswith("!")]
    left = [line for line in lines if line[0] not in "!*#" and "/" in line]
    return [*kept, *(f":(exclude,glob){line}{end}" for line in left for end in ("", "/**"))]


def run_step(stage: Stage, line: str, cache: Path) -> None:
    """A line of RUN, as root in the stage's folder. Raises ChurnError if it fails."""
    cache.mkdir(parents=True, exist_ok=True)
    mounts = [*_mount_system(stage.root), f"mkdir -p {stage.root}/root/.cache/uv",
              f"mount --bind {cache} {stage.root}/root/.cache/uv",
              f"cp --remove-destination /etc/resolv.conf {stage.root}/etc/resolv.conf"]  # fmt: skip
    variables = _set_environment(stage)
    if certificates := os.environ.get("SSL_CERT_FILE"):
        place = "/etc/ssl/certs/ca-certificates.crt"
        mounts.append(f"mount --bind {certificates} {stage.root}{place}")
        variables.append(f"SSL_CERT_FILE={place}")
    words = ["chroot", str(stage.root), *variables, *stage.shell, f"cd {stage.folder} && {line}"]
    _run(mounts, words, line)


def start(stage: Stage, words: Sequence[str]) -> None:
    """Runs a command as a container engine would with `--read-only --cap-drop ALL`. Raises ChurnError if it fails."""
    root, state = stage.root, stage.root.with_name(f"{stage.root.name}-volumes")
    user, _, group = stage.user.partition(":")
    mounts = [f"touch {root}/etc/hosts", f"mount --bind {root} {root}", f"mount -o remount,ro,bind {root}",
              *_mount_system(root), f"mount --bind /etc/hosts {root}/etc/hosts",
              f"mount -t tmpfs tmpfs {root}/tmp"]  # fmt: skip
    for volume in stage.volumes:
        place = state / volume.replace("/", "_")
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, int(user), int(group))
        mounts.append(f"mount --bind {place} {root}{volume}")
    drop = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all",
            "--inh-caps=-all", "--no-new-privs"]  # fmt: skip
    inside = f"cd {stage.folder} && exec {shlex.join(words)}"
    _run(mounts, ["chroot", str(root), *drop, *_set_environment(stage), "/bin/sh", "-c", inside], shlex.join(words))
    shutil.rmtree(state, ignore_errors=True)


def _mount_system(root: Path) -> list[str]:
    return [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]


def _set_environment(stage: Stage) -> list[str]:
    return ["env", "-i", *(f"{name}={value}" for name, value in stage.environment.items())]


def _run(mounts: Sequence[str], words: Sequence[str], what: str) -> None:
    """In namespaces of its own, so that mounts and processes end with it."""
    script = " && ".join([*mounts, f"exec {shlex.join(words)}"])
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    if subprocess.run(command).returncode:
        raise ChurnError(f"this failed, see its output above: {what[:200]}")
