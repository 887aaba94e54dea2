"""Where lake data is: a folder of this machine or a prefix of an object store. All access to it goes through here.

| CHURN_LAKE | Arrow's file system | delta-rs | Spark |
|---|---|---|---|
| a path, file:// | the local one | the path | file:// |
| s3://bucket/prefix | S3 | s3:// | s3a:// |
| gs://, abfss://, hdfs:// | the store's own | the same URL | the same URL |

Credentials come from the environment or the platform (AWS_…, GOOGLE_…, AZURE_…), which Arrow, delta-rs and Spark each
read themselves: no URL, setting or message of ours contains one. An object appears whole or not at all, so nothing is
renamed in an object store. Commits are conditional puts, by which delta-rs creates a log entry only if there is none.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from pyarrow import fs

from spark_jobs.contract.errors import ChurnError
from spark_jobs.lake.store_errors import in_one_line

T = TypeVar("T")
R = TypeVar("R")

SPARK_SCHEMES = {"s3": "s3a", "gs": "gs", "abfss": "abfss", "hdfs": "hdfs"}
_THREADS = 16  # how many requests to an object store are under way at once


Place: TypeAlias = "str | os.PathLike[str] | Location"


@dataclass(frozen=True)
class Location:
    """A folder or a file. `place` is an absolute path, or a URL without a slash at its end."""

    place: str

    @classmethod
    def parse(cls, place: Place) -> Location:
        """From a path or URL. Raises ChurnError for a URL of another kind, or with credentials."""
        if isinstance(place, Location):
            return place
        text = os.fspath(place)
        if "://" not in text:
            return cls(str(Path(text).resolve()))
        url = urlsplit(text)
        if url.scheme == "file":
            return cls(str(Path(url.path).resolve()))
        scheme = "s3" if url.scheme == "s3a" else url.scheme
        if scheme not in SPARK_SCHEMES or not url.netloc:
            known = ", ".join(f"{name}://" for name in SPARK_SCHEMES)
            raise ChurnError(f"{scheme}:// is no place for a lake: give a path or the URL of a folder, {known}")
        # abfss://container@account.dfs.core.windows.net: what stands before the @ is no secret there.
        if url.password or url.query or ("@" in url.netloc and scheme != "abfss"):
            raise ChurnError(f"a {scheme}:// URL must not contain credentials: set them in the environment")
        return cls(f"{scheme}://{url.netloc}{url.path.rstrip('/')}")

    def __truediv__(self, name: str) -> Location:
        return Location(f"{self.place}/{name}")

    def __str__(self) -> str:
        return self.place

    def __fspath__(self) -> str:
        if not self.is_local:
            raise ChurnError(f"{self.place} is no folder of this machine")
        return self.place

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2]

    @property
    def local_path(self) -> str:
        """The path on this machine. Raises ChurnError if the place is elsewhere."""
        return self.__fspath__()

    @property
    def plain_path(self) -> str:
        """The same without spaces, umlauts or percent signs, which Sail does not find again in a table's log. Valid as
        long as this process lives."""
        return self.local_path if re.fullmatch(r"[\w/.-]+", self.place, re.ASCII) else _link(self.local_path)

    @property
    def is_local(self) -> bool:
        return "://" not in self.place

    @property
    def spark_url(self) -> str:
        if self.is_local:
            return f"file://{self.place}"
        scheme, _, rest = self.place.partition("://")
        return f"{SPARK_SCHEMES[scheme]}://{rest}"

    @property
    def delta_options(self) -> dict[str, str] | None:
        """The storage options of delta-rs, which reads the rest from the environment."""
        endpoint = find_endpoint() if self.place.startswith("s3://") else None
        return {"allow_http": "true"} if endpoint and endpoint.startswith("http://") else None

    @property
    def file_system(self) -> fs.FileSystem:
        return _open(self.place)[0]

    @property
    def path(self) -> str:
        """The path within the file system."""
        return _open(self.place)[1]

    def errors_in_one_line(self) -> AbstractContextManager[None]:
        """Turns errors of the object store meanwhile into a ChurnError; those of this machine's folders stay."""
        return nullcontext() if self.is_local else in_one_line(self.place)

    def exists(self) -> bool:
        with self.errors_in_one_line():
            return self.file_system.get_file_info(self.path).type != fs.FileType.NotFound

    def read_text(self) -> str:
        """Raises FileNotFoundError if there is no file."""
        return self.read_bytes().decode()

    def read_bytes(self) -> bytes:
        with self.errors_in_one_line(), self.file_system.open_input_stream(self.path, compression=None) as stream:
            return stream.read()

    def write_text(self, text: str) -> None:
        self.write_bytes(text.encode())

    def write_bytes(self, content: bytes) -> None:
        """Writes the file, which appears whole or not at all."""
        draft = self.path + (".draft" if self.is_local else "")
        self.make_parent()
        with self.errors_in_one_line(), self.file_system.open_output_stream(draft, compression=None) as stream:
            stream.write(content)
        if self.is_local:
            self.file_system.move(draft, self.path)

    def remove_file(self) -> None:
        with self.errors_in_one_line():
            self.file_system.delete_file(self.path)

    def remove(self) -> None:
        """Removes the folder with all that is in it, as far as that is possible."""
        try:
            self.file_system.delete_dir(self.path)
        except OSError:  # there is none, or a vacuum will do it
            return

    def make_parent(self) -> None:
        """Makes the folder for this file; object stores need none."""
        if self.is_local:
            Path(self.place).parent.mkdir(parents=True, exist_ok=True)

    def list(self) -> list[fs.FileInfo]:
        """All files and folders below this folder, by path; empty if there is none."""
        with self.errors_in_one_line():
            found = self.file_system.get_file_info(fs.FileSelector(self.path, allow_not_found=True, recursive=True))
        return sorted(found, key=lambda info: info.path)

    def list_files(self, pattern: str = "*") -> Sequence[Location]:
        """The files in this folder whose names fit the pattern, by name, without those of folders below."""
        names = (info.path.removeprefix(f"{self.path}/") for info in self.list() if info.is_file)
        return [self / name for name in names if "/" not in name and fnmatchcase(name, pattern)]

    def map(self, read: Callable[[T], R], files: Iterable[T]) -> Iterator[R]:
        """The results of `read`, in order. In an object store several are read at a time, because each waits for it."""
        if self.is_local:
            return map(read, files)
        with ThreadPoolExecutor(_THREADS) as threads:
            return iter([*threads.map(read, files)])

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Removes the folder if what is done meanwhile fails."""
        try:
            yield
        except BaseException:
            self.remove()
            raise


@cache
def _link(folder: str) -> str:
    names = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, names)
    os.symlink(folder, f"{names}/table")
    return f"{names}/table"


def _open(place: str) -> tuple[fs.FileSystem, str]:
    scheme, separator, rest = place.partition("://")
    if not separator:
        return _local(), place
    if scheme == "s3":
        return _open_s3(find_endpoint()), rest
    host, _, below = rest.partition("/")
    file_system, root = _open_root(f"{scheme}://{host}")
    return file_system, f"{root.rstrip('/')}/{below}".rstrip("/")


@lru_cache(maxsize=4)
def _open_root(url: str) -> tuple[fs.FileSystem, str]:
    return fs.FileSystem.from_uri(url)


@lru_cache(maxsize=1)
def _local() -> fs.FileSystem:
    return fs.LocalFileSystem()


@lru_cache(maxsize=4)
def _open_s3(endpoint: str | None) -> fs.FileSystem:
    """Keeps connections to the store, and its credentials as long as they are valid."""
    scheme, _, host = (endpoint or "").rpartition("://")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(
        region=region, scheme=scheme or "https", endpoint_override=host.rstrip("/") or None, allow_delayed_open=True
    )


def find_endpoint() -> str | None:
    """The URL of another store than Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
