"""A folder in an object store, which nodes without a common file system share. Torch-free.

obstore, the Python package of the Rust library object_store, serves Amazon S3, Google Cloud Storage and Azure Blob
Storage by one code path. It can put an object only if it is absent, shows an upload whole or not at all, and retries
requests. A process that has used a store must not be forked: the child would wait forever.
"""

from __future__ import annotations

import importlib.util
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces import fault

TRANSFERS = 32  # at a time: an object takes some tens of milliseconds, almost all of them waiting
RETRIES = 4  # of each request, with growing waits
PART_BYTES = 8 * 2**20  # of an upload; a store takes 10,000 parts
AWS_KEY, AWS_REGIONS = "AWS_ACCESS_KEY_ID", ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class _Kind:
    """A kind of object store.

    Attributes:
        extra: The optional dependency of kdstudy that brings what it needs.
        credentials: Where its credentials come from, for messages.
    """

    extra: str
    credentials: str


KINDS = {  # by the scheme of an address
    "s3": _Kind("s3", f"{AWS_KEY} and AWS_SECRET_ACCESS_KEY, ~/.aws, or the role of the machine"),
    "gs": _Kind("gcs", "GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or the machine"),
    "az": _Kind("azure", "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or the identity of the machine"),
}
NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
NO_CREDENTIALS = re.compile(
    "token request|/latest/api/token|Missing SecretAccessKey|Account must be specified|get_credentials"
)


class StoreError(OSError):
    """The object store refused or did not answer; the same may succeed later."""


class _Absent(StoreError):
    """There is no such object."""


@dataclass(frozen=True)
class SharedFolder:
    """A folder of objects; names below it are relative, with slashes. Each object in it is complete.

    Attributes:
        address: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.
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
        with self._requesting() as (obstore, bucket, key):
            return {item["path"].rpartition("/")[2] for item in obstore.list_with_delimiter(bucket, key)["objects"]}

    def create(self, name: str, content: bytes) -> bool:
        """Put an object if there is none of this name; False if there is one, which is kept."""
        with self._requesting(name) as (obstore, bucket, key):
            try:
                obstore.put(bucket, key, content, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
            return True

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        try:
            with self._requesting(name) as (obstore, bucket, key):
                return bytes(obstore.get(bucket, key).bytes())
        except _Absent:
            return None

    def read_all(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """The contents of many objects, in the order of the names; None for those that are gone."""
        names = list(names)
        with ThreadPoolExecutor(TRANSFERS) as pool:
            yield from zip(names, pool.map(self.read, names), strict=True)

    def modified(self, name: str) -> float | None:
        """When an object was put, in seconds since 1970 by the clock of the store; None if there is none."""
        try:
            with self._requesting(name) as (obstore, bucket, key):
                moment: float = obstore.head(bucket, key)["last_modified"].timestamp()
                return moment
        except _Absent:
            return None

    def remove(self, name: str) -> None:
        """Delete an object, if there is one."""
        try:
            with self._requesting(name) as (obstore, bucket, key):
                obstore.delete(bucket, key)
        except _Absent:
            pass

    def upload(self, file: Path, name: str) -> None:
        """Put the content of a file; an object of this name is replaced."""
        with self._requesting(name) as (obstore, bucket, key):
            obstore.put(bucket, key, file, chunk_size=PART_BYTES)

    def download(self, name: str, file: Path) -> bool:
        """Write an object into a file, which is replaced when all has arrived; False if there is no such object."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as opened, self._requesting(name) as (obstore, bucket, key):
                for part in obstore.get(bucket, key):
                    opened.write(part)
            os.replace(temporary, file)
        except _Absent:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def download_all(self, names: Iterable[str], folder: Path) -> None:
        """Write many objects into a folder."""
        with ThreadPoolExecutor(TRANSFERS) as pool:
            list(pool.map(lambda name: self.download(name, folder / name), names))

    @contextmanager
    def _requesting(self, name: str = "") -> Iterator[tuple[Any, Any, str]]:
        """The library, the bucket and a key; errors of the library become a `StoreError` that says where."""
        import obstore

        place = f"{self.address}/{name}" if name else self.address
        scheme, _, rest = place.partition("://")
        bucket, _, key = rest.partition("/")
        try:
            yield obstore, _bucket(f"{scheme}://{bucket}"), key
        except FileNotFoundError as error:
            kind = StoreError if NO_BUCKET.search(str(error)) else _Absent
            raise kind(f"{place}: {_reason(error, scheme)}") from error
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise StoreError(f"{place}: {_reason(error, scheme)}") from error


def check_address(address: str) -> str:
    """An address without superfluous slashes.

    Raises:
        InputError: It names no bucket of a kind that is supported, or a package is not installed.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in KINDS or not rest.partition("/")[0]:
        kinds = ", ".join(f"{kind}://bucket/folder" for kind in KINDS)
        message = f"is not supported; give {kinds}, or a folder, on a cluster one that all nodes share"
        raise fault("command line", "storage", address, message)
    if importlib.util.find_spec("obstore") is None:
        message = f"needs obstore: pip install 'kdstudy[{KINDS[scheme].extra}]'"
        raise fault("command line", "storage", address, message)
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part)}"


@lru_cache
def _bucket(address: str) -> Any:
    """One client of a bucket for all threads of a process; its settings come from the environment."""
    from obstore.store import from_url

    return from_url(
        address,
        client_options={"allow_http": True, "timeout": "1h", "read_timeout": "2min"},
        retry_config={"max_retries": RETRIES},
        **(_aws_settings() if address.startswith("s3:") else {}),
    )


def _aws_settings() -> dict[str, Any]:
    """Credentials, region and endpoint as boto3 finds them, also in ``~/.aws``, unless the environment has them."""
    in_environment = AWS_KEY in os.environ and any(name in os.environ for name in AWS_REGIONS)
    if in_environment or importlib.util.find_spec("boto3") is None:
        return {}
    import botocore.session
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = botocore.session.get_session()
    try:
        found = {
            "region": session.get_config_variable("region"),
            "endpoint": os.environ.get("AWS_ENDPOINT_URL") or session.get_scoped_config().get("endpoint_url"),
            "credential_provider": Boto3CredentialProvider(session),
        }
    except BotoCoreError as error:
        raise ValueError(str(error)) from error
    return {name: value for name, value in found.items() if value is not None}


def _reason(error: Exception, scheme: str) -> str:
    """What went wrong in one line, without what the library adds for its developers."""
    text = str(error).partition("\n\nDebug source")[0]
    if NO_CREDENTIALS.search(text):
        return f"no credentials were found; they come from {KINDS[scheme].credentials}"
    if "error sending request" in text:
        return f"could not connect to the object store: {' '.join(text.split())}"
    if said := re.search(r"<Message>\s*([^\n<]+)", text):  # the store's own words
        return said[1]
    return " ".join(text.split())
