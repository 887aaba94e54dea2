"""Writes a folder of data files, here or in an object store, and detects any later change to it.

A manifest lists the sha256 of every file; its own sha256 is the hash of the folder. Every file is read once, and its
hash is verified before it is parsed. What was read is kept in memory, so that a job can send it to its workers.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.lake.location import Location, Place

FORMAT = 3
MANIFEST = "manifest.json"
FILE_NAME = re.compile(r"[a-z][a-z0-9_]*\.(json|f32|md)")
MOST_FILES, MOST_BYTES = 200, 256 * 2**20


@dataclass(frozen=True)
class VerifiedFiles:
    """The files of a folder, by name, whose hashes were verified. Folders with the same hash are equal."""

    place: str = field(compare=False)
    hash: str
    contents: Mapping[str, bytes] = field(compare=False, repr=False)


def make_manifest(files: Mapping[str, bytes]) -> bytes:
    return to_json({"format": FORMAT, "files": {name: hash_content(files[name]) for name in sorted(files)}})


def place_folder(folder: Location, files: Mapping[str, bytes]) -> None:
    """Writes the files so that no partial bundle is ever loaded; does nothing if the folder is complete already."""
    if (folder / MANIFEST).exists():
        return
    if folder.is_local:
        _place_local_folder(Path(folder), files)
        return
    for name in sorted(files, key=lambda name: name == MANIFEST):  # the manifest last: without it, it is no bundle
        (folder / name).write_bytes(files[name])


def _place_local_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes to a temporary folder beside the target and renames it."""
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


def read_files(folder: Place, expected_hash: str | None = None) -> VerifiedFiles:
    """The bundle's files, each verified against the manifest. Raises ChurnError if anything differs."""
    contents = _read_objects(Location.parse(folder)) if "://" in str(folder) else _read_folder(Path(folder))
    if MANIFEST not in contents:
        raise ChurnError(f"{folder} is no model: it has no {MANIFEST}")
    manifest = contents.pop(MANIFEST)
    if expected_hash is not None and hash_content(manifest) != expected_hash:
        raise ChurnError(f"{folder} is not the model that was registered: its hash is {hash_content(manifest)[:8]}, "
                         f"expected {expected_hash[:8]}")  # fmt: skip
    listed = _read_manifest(f"{folder}/{MANIFEST}", manifest)
    if set(listed) != set(contents):
        strangers = sorted(set(listed) ^ set(contents))
        raise ChurnError(f"{folder}: {', '.join(strangers)} is in the folder or in its manifest, but not in both")
    for name, content in contents.items():
        if hash_content(content) != listed[name]:
            raise ChurnError(f"{folder}/{name} was changed after training: restore it or train again")
    return VerifiedFiles(str(folder), hash_content(manifest), contents)


def _read_folder(folder: Path) -> dict[str, bytes]:
    """The content of every file. Raises ChurnError unless all are regular files with plain names, of bounded size."""
    if folder.is_symlink() or not folder.is_dir():
        raise ChurnError(f"no model at {folder}: train one, or promote one that is there")
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    states = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    _check_names_and_sizes(folder, {name: state.st_size for name, state in states.items()})
    contents = {}
    for entry in entries:
        if not stat.S_ISREG(states[entry.name].st_mode):
            raise ChurnError(f"{folder}: {entry.name!r} does not belong into a model")
        with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            contents[entry.name] = file.read(MOST_BYTES)
    return contents


def _read_objects(folder: Location) -> dict[str, bytes]:
    """Like _read_folder, from an object store."""
    infos = folder.list()
    if not infos:
        raise ChurnError(f"no model at {folder}: train one, or promote one that is there")
    sizes = {info.path.removeprefix(f"{folder.path}/"): info.size or 0 for info in infos}
    _check_names_and_sizes(folder, sizes)
    return dict(zip(sizes, folder.map(lambda name: (folder / name).read_bytes(), sizes), strict=True))


def _check_names_and_sizes(folder: Place, sizes: Mapping[str, int]) -> None:
    if len(sizes) > MOST_FILES:
        raise ChurnError(f"{folder} is no model: it has more than {MOST_FILES} files")
    if sum(sizes.values()) > MOST_BYTES:
        raise ChurnError(f"{folder} is no model: it is larger than {MOST_BYTES >> 20} MiB")
    if strangers := [name for name in sizes if not FILE_NAME.fullmatch(name)]:
        raise ChurnError(f"{folder}: {strangers[0]!r} does not belong into a model")


def _read_manifest(path: str, content: bytes) -> dict[str, str]:
    manifest = from_json(path, content)
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        raise ChurnError(f"{path} is not of format {FORMAT}: train again")
    return files


def hash_content(content: bytes) -> str:
    return sha256(content).hexdigest()


def to_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def from_json(path: str, content: bytes) -> dict:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ChurnError(f"{path} is not valid JSON: restore it or train again") from None
    if not isinstance(value, dict):
        raise ChurnError(f"{path} is not a JSON object: restore it or train again")
    return value
