"""A folder in an object store: what nodes without a common file system share of a study. Torch-free.

boto3 does all of it. pyarrow's S3FileSystem lacks two things: it cannot put an object only if it is absent, by which
a record is written once, and it cannot abort an upload: one cut short by an error appears as if it were whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces import fault

SCHEME = "s3"
TRANSFERS = 32  # at a time: an object takes some tens of milliseconds, almost all of them waiting
ATTEMPTS = 5  # of each request, by boto3
EXISTS, ABSENT = {"PreconditionFailed", "412"}, {"NoSuchKey", "404"}


class StoreError(OSError):
    """The object store refused or did not answer; the same may succeed later."""


class _Absent(StoreError):
    """There is no such object."""


@dataclass(frozen=True)
class SharedFolder:
    """A folder of objects; names below it are relative, with slashes. Whatever appears in it is whole.

    Attributes:
        address: ``s3://bucket/prefix``.
    """

    address: str

    def __truediv__(self, name: str) -> SharedFolder:
        """A folder in this one."""
        return SharedFolder(f"{self.address}/{name}")

    def __str__(self) -> str:
        return self.address

    def names(self) -> set[str]:
        """The objects that lie directly in this folder.

        Raises:
            StoreError: They cannot be listed; this holds of all methods.
        """
        with self._asking() as (client, bucket, key):
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/", Delimiter="/")
            return {item["Key"].rpartition("/")[2] for page in pages for item in page.get("Contents", ())}

    def create(self, name: str, content: bytes) -> bool:
        """Put an object if there is none of this name; False if there is one, which stays as it is."""
        with self._asking(name) as (client, bucket, key):
            try:
                client.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
            except client.exceptions.ClientError as error:
                if _code(error) in EXISTS:
                    return False
                raise
            return True

    def read(self, name: str) -> bytes | None:
        """An object's content; None if there is none."""
        try:
            with self._asking(name) as (client, bucket, key):
                content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
                return content
        except _Absent:
            return None

    def read_all(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Many objects' contents, in the order of the names; those that are gone are None."""
        names = list(names)
        with ThreadPoolExecutor(TRANSFERS) as pool:
            yield from zip(names, pool.map(self.read, names), strict=True)

    def modified(self, name: str) -> float | None:
        """When an object was put, in seconds since 1970 by the store's clock; None if there is none."""
        try:
            with self._asking(name) as (client, bucket, key):
                moment: float = client.head_object(Bucket=bucket, Key=key)["LastModified"].timestamp()
                return moment
        except _Absent:
            return None

    def remove(self, name: str) -> None:
        """Delete an object, if there is one."""
        with self._asking(name) as (client, bucket, key):
            client.delete_object(Bucket=bucket, Key=key)

    def upload(self, file: Path, name: str) -> None:
        """Put a file's content, in place of what was there."""
        with self._asking(name) as (client, bucket, key):
            client.upload_file(str(file), bucket, key)

    def download(self, name: str, file: Path) -> bool:
        """Put an object's content into a file, in place of what was there; False if there is no such object."""
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._asking(name) as (client, bucket, key):
                client.download_file(bucket, key, str(file))
        except _Absent:
            return False
        return True

    def download_all(self, names: Iterable[str], folder: Path) -> None:
        """Put many objects into a folder."""
        with ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda name: self.download(name, folder / name), names))

    @contextmanager
    def _asking(self, name: str = "") -> Iterator[tuple[Any, str, str]]:
        """The client, the bucket and a key; what goes wrong is a `StoreError` that says where."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        place = f"{self.address}/{name}" if name else self.address
        bucket, _, key = place.removeprefix(f"{SCHEME}://").partition("/")
        try:
            yield _client(), bucket, key
        except (BotoCoreError, Boto3Error, ClientError) as error:
            kind = _Absent if isinstance(error, ClientError) and _code(error) in ABSENT else StoreError
            raise kind(f"{place}: {error}") from error


def check_address(address: str) -> str:
    """An address without superfluous slashes.

    Raises:
        InputError: It names no bucket of a kind that is supported, or boto3 is not installed.
    """
    scheme, _, rest = address.partition("://")
    if scheme != SCHEME or not rest.partition("/")[0]:
        message = f"is not supported; give {SCHEME}://bucket/folder, or a folder, on a cluster one that all nodes share"
        raise fault("command line", "storage", address, message)
    try:
        import boto3  # noqa: F401
    except ImportError:
        raise fault("command line", "storage", address, "needs boto3: pip install 'kdstudy[s3]'") from None
    return f"{SCHEME}://{'/'.join(part for part in rest.split('/') if part)}"


@lru_cache(maxsize=1)
def _client() -> Any:
    """One client a process, for all threads; keys, region and endpoint come from the environment or ``~/.aws``."""
    import boto3
    from botocore.config import Config

    options = Config(retries={"mode": "standard", "max_attempts": ATTEMPTS}, max_pool_connections=TRANSFERS)
    return boto3.session.Session().client(SCHEME, config=options)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code"))
