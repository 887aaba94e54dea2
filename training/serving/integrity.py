"""Writes a folder of data files atomically, and detects any later change to it.

A manifest lists the sha256 of every file; its own sha256 is the hash of the folder. Every file is read once, and its
hash is verified before it is parsed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from spark_jobs.contract.errors import ChurnError

FORMAT = 3
MANIFEST = "manifest.json"
FILE_NAME = re.compile(r"[a-z][a-z0-9_]*\.(json|f32|md)")
MOST_FILES, MOST_BYTES = 200, 256 * 2**20


def make_manifest(files: Mapping[str, bytes]) -> bytes:
    return to_json({"format": FORMAT, "files": {name: hash_content(files[name]) for name in sorted(files)}})


def place_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes to a temporary folder beside the target and renames it, so that no partial bundle is ever visible."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        for name, content in files.items():
            with (draft / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.exists():  # otherwise another process has placed the same content meanwhile
            raise


def read_files(folder: Path, expected_hash: str | None = None) -> dict[str, bytes]:
    """The bundle's files, each verified against the manifest. Raises ChurnError if anything differs."""
    if folder.is_symlink() or not folder.is_dir():
        raise ChurnError(f"no model at {folder}: train one, or promote one that is there")
    contents = _read_folder(folder)
    if MANIFEST not in contents:
        raise ChurnError(f"{folder} is no model: it has no {MANIFEST}")
    manifest = contents.pop(MANIFEST)
    if expected_hash is not None and hash_content(manifest) != expected_hash:
        raise ChurnError(f"{folder} is not the model that was registered: its hash is {hash_content(manifest)[:8]}, "
                         f"expected {expected_hash[:8]}")  # fmt: skip
    listed = _read_manifest(folder, manifest)
    if set(listed) != set(contents):
        strangers = sorted(set(listed) ^ set(contents))
        raise ChurnError(f"{folder}: {', '.join(strangers)} is in the folder or in its manifest, but not in both")
    for name, content in contents.items():
        if hash_content(content) != listed[name]:
            raise ChurnError(f"{folder / name} was changed after training: restore it or train again")
    return contents


def _read_folder(folder: Path) -> dict[str, bytes]:
    """The content of every file. Raises ChurnError unless all are regular files with plain names, of bounded size."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    if len(entries) > MOST_FILES:
        raise ChurnError(f"{folder} is no model: it has more than {MOST_FILES} files")
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > MOST_BYTES:
        raise ChurnError(f"{folder} is no model: it is larger than {MOST_BYTES >> 20} MiB")
    contents = {}
    for entry in entries:
        is_plain = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
        if not is_plain or not FILE_NAME.fullmatch(entry.name):
            raise ChurnError(f"{folder}: {entry.name!r} does not belong into a model")
        with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            contents[entry.name] = file.read(MOST_BYTES)
    return contents


def _read_manifest(folder: Path, content: bytes) -> dict[str, str]:
    manifest = from_json(folder / MANIFEST, content)
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        raise ChurnError(f"{folder / MANIFEST} is not of format {FORMAT}: train again")
    return files


def hash_content(content: bytes) -> str:
    return sha256(content).hexdigest()


def to_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def from_json(path: Path, content: bytes) -> dict:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ChurnError(f"{path} is not valid JSON: restore it or train again") from None
    if not isinstance(value, dict):
        raise ChurnError(f"{path} is not a JSON object: restore it or train again")
    return value
