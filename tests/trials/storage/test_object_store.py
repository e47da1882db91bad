"""Object stores: the same folder of objects, whichever store keeps it."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from object_storage import azure_storage, needs_azurite, needs_object_storage, object_storage

from search_spaces.faults import InputError
from trials.storage.object_store import RETRIES, SharedFolder, StoreError, _bucket, check_address

pytestmark = needs_object_storage
BUCKET = "bucket"
STORES = ("s3", "gs", pytest.param("az", marks=needs_azurite))


@pytest.fixture(scope="module", params=STORES)
def scheme(request: pytest.FixtureRequest) -> Iterator[str]:
    with azure_storage(BUCKET) if request.param == "az" else object_storage(BUCKET):
        yield request.param


@pytest.fixture
def folder(scheme: str, request: pytest.FixtureRequest) -> SharedFolder:
    """One of this test's own."""
    return SharedFolder(f"{scheme}://{BUCKET}/{request.node.originalname}")


def test_object_is_put_once_and_read_back(folder: SharedFolder):
    assert folder.read("a.json") is None
    assert folder.create("a.json", b"first") is True
    assert folder.create("a.json", b"second") is False
    assert folder.read("a.json") == b"first"


def test_of_many_writers_at_once_one_creates_the_object(folder: SharedFolder):
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: folder.create("a.json", str(number).encode()), range(16)))
    assert sum(created) == 1
    assert folder.read("a.json") == str(created.index(True)).encode()


def test_names_are_those_directly_in_the_folder_on_all_pages(folder: SharedFolder):
    assert folder.names() == set()
    names = {f"2026-12-01T10:00:00.00{number}+00:00_start_a b%é.json" for number in range(8)}
    for name in names:
        folder.create(name, name.encode())
    (folder / "inner").create("deeper.json", b"")
    SharedFolder(f"{folder}-beside").create("other.json", b"")
    assert folder.names() == names
    gone = [*sorted(names), "gone"]
    assert list(folder.read_all(gone)) == [(name, name.encode() if name in names else None) for name in gone]


def test_removed_object_is_gone_and_may_be_gone_already(folder: SharedFolder):
    folder.create("a", b"")
    folder.remove("a")
    folder.remove("a")
    assert (folder.read("a"), folder.modified("a")) == (None, None)


@pytest.mark.parametrize("size", [0, 1, 20_000_000])  # the last in three parts
def test_file_is_uploaded_and_downloaded(folder: SharedFolder, tmp_path: Path, size: int):
    content = os.urandom(size)
    (tmp_path / "here").write_bytes(b"older")
    (tmp_path / "there").write_bytes(content)
    folder.upload(tmp_path / "here", f"file-{size}")
    folder.upload(tmp_path / "there", f"file-{size}")
    assert folder.download(f"file-{size}", tmp_path / "here") is True
    assert (tmp_path / "here").read_bytes() == content
    assert folder.download("absent", tmp_path / "here") is False
    # a file that could not be replaced is kept, and nothing half-made lies beside it
    assert (tmp_path / "here").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]
    folder.download_all([f"file-{size}"], tmp_path / "folder")
    assert (tmp_path / "folder" / f"file-{size}").read_bytes() == content


def test_time_of_an_object_is_near_now(folder: SharedFolder, tmp_path: Path):
    (tmp_path / "now").write_bytes(b"")
    folder.upload(tmp_path / "now", "a")
    moment = folder.modified("a")
    assert moment is not None
    assert abs(moment - (tmp_path / "now").stat().st_mtime) < 60


def test_missing_bucket_is_said_in_words(scheme: str, tmp_path: Path):
    folder = SharedFolder(f"{scheme}://nobodys/x")
    (tmp_path / "file").write_bytes(b"")
    for request in (
        folder.names,
        lambda: folder.read("a"),
        lambda: folder.create("a", b""),
        lambda: folder.upload(tmp_path / "file", "a"),
    ):
        with pytest.raises(StoreError, match=rf"^{scheme}://nobodys/x\S*: The specified (bucket|container) does not"):
            request()


# What differs


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No client of a test before."""
    _bucket.cache_clear()
    yield
    _bucket.cache_clear()


def test_keys_are_the_names_as_they_are():
    """A study that an older kdstudy put there is found: its keys were not escaped either."""
    import boto3

    name = "2026-12-01T10:00:00.001+00:00_start_a b%é.json"
    with object_storage(BUCKET):
        SharedFolder(f"s3://{BUCKET}/keys").create(name, b"")
        found = boto3.session.Session().client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
        assert [item["Key"] for item in found] == [f"keys/{name}"]


@pytest.mark.usefixtures("fresh")
def test_store_that_does_not_answer_is_tried_again_and_said(monkeypatch: pytest.MonkeyPatch):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
        monkeypatch.setenv(f"AWS_{name}", name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=f"s3://b/x/a: could not connect to the object store: .*{RETRIES} retries"):
        SharedFolder("s3://b/x").read("a")


class CutShort(BaseHTTPRequestHandler):
    """Ends each answer after a tenth of it."""

    def do_GET(self):
        self.send_response(200)
        for name, value in {"Content-Length": "1000", "ETag": '"a"', "Last-Modified": formatdate(usegmt=True)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"x" * 100)

    def log_message(self, *arguments):
        pass


@pytest.mark.usefixtures("fresh")
def test_download_that_is_cut_short_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_bytes(b"older")
    with ThreadingHTTPServer(("127.0.0.1", 0), CutShort) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
            monkeypatch.setenv(f"AWS_{name}", name)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StoreError, match="s3://b/x/a: "):
            SharedFolder("s3://b/x").download("a", tmp_path / "file")
        server.shutdown()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"older"}


@pytest.mark.usefixtures("fresh")
def test_keys_and_region_come_from_the_files_of_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "credentials").write_text("[study]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    with object_storage(BUCKET) as environment:
        endpoint = environment["AWS_ENDPOINT_URL"]
        (tmp_path / "config").write_text(f"[profile study]\nregion = eu-west-1\nendpoint_url = {endpoint}\n")
        for name in (*environment, "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "study")
        assert SharedFolder(f"s3://{BUCKET}/files").create("a", b"") is True
        assert _bucket(f"s3://{BUCKET}").config["region"] == "eu-west-1"
        _bucket.cache_clear()
        monkeypatch.setenv("AWS_PROFILE", "nobodys")
        with pytest.raises(StoreError, match=r"s3://bucket/files: The config profile \(nobodys\) could not be found"):
            SharedFolder(f"s3://{BUCKET}/files").names()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("scheme", "said"), [("s3", "AWS_ACCESS_KEY_ID"), ("az", "AZURE_STORAGE_ACCOUNT_NAME")])
def test_missing_credentials_are_said_in_words(scheme: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match=f"{scheme}://b/x: no credentials were found; they come from {said}"):
        SharedFolder(f"{scheme}://b/x").names()


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure")])
def test_missing_package_is_named_with_its_remedy(scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"needs obstore: pip install 'kdstudy\[{extra}\]'"):
        check_address(f"{scheme}://bucket/runs")


@pytest.mark.parametrize("address", ["ftp://bucket/runs", "s3://", "gs:///runs"])
def test_other_addresses_are_refused(address: str):
    with pytest.raises(InputError, match="is not supported; give s3://bucket/folder, gs://bucket/folder, az://"):
        check_address(address)
