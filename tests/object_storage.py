"""Object stores on this machine, each in a process of its own, which keep everything in memory.

moto serves S3. Google's XML interface is S3's but for its headers, so that moto serves it too, where its headers are
translated. Azurite, Microsoft's emulator, serves Azure where its command is installed:
``npm install --global --ignore-scripts azurite``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

NEEDED = ("boto3", "obstore", "moto", "flask", "flask_cors")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_object_storage = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
AZURITE = shutil.which("azurite-blob")
needs_azurite = pytest.mark.skipif(AZURITE is None, reason="not installed: azurite")

SERVER = """
import logging, os, threading
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "3"  # so that all lists have several pages
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
moto = DomainDispatcherApplication(create_backend_app)

def answer(environ, start_response):
    if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":  # Google's words for: only if it is absent
        environ["HTTP_IF_NONE_MATCH"] = "*"
    if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):  # moto finds the service in it
        scope = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"
        environ["HTTP_AUTHORIZATION"] = scope + ", SignedHeaders=host, Signature=none"
    return moto(environ, start_response)

server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=MotoRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
input()
"""
AZURE_ACCOUNT = "devstoreaccount1"  # Azurite's own, with its published key
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def object_storage(bucket: str) -> Iterator[dict[str, str]]:
    """A server with one bucket, at s3:// and gs://; yields the environment by which it is found."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"gcs_base_url": endpoint, "disable_oauth": True} | nobody),
    }
    try:
        with _environment(environment):
            import boto3

            boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
            yield environment
    finally:
        process.communicate("\n", timeout=60)


@contextmanager
def azure_storage(container: str) -> Iterator[None]:
    """Azurite with one container, at az://."""
    assert AZURITE is not None
    process = subprocess.Popen(
        [AZURITE, "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--blobPort", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if "successfully listens on" in line)
    endpoint = f"{line.split()[-1]}/{AZURE_ACCOUNT}"
    environment = {
        "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
    }
    try:
        _make_container(endpoint, container)
        with _environment(environment):
            yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _make_container(endpoint: str, name: str) -> None:
    """What obstore cannot do: a signed request by hand."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "".join(f"{key}:{value}\n" for key, value in headers.items())
    signed = "PUT" + "\n" * 12 + signed + f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
    signature = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signature).decode()}"
    headers["Content-Length"] = "0"
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", None, headers, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request):  # noqa: S310 - on this machine
        pass


@contextmanager
def _environment(environment: dict[str, str]) -> Iterator[None]:
    from trials.storage.object_store import _bucket

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        _bucket.cache_clear()
        yield
        _bucket.cache_clear()
