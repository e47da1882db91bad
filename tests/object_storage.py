"""An S3 server on this machine, in a process of its own: moto's, which keeps everything in memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NEEDED = ("boto3", "moto", "flask", "flask_cors")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_object_storage = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

SERVER = """
import logging, os
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "3"  # so that all lists have several pages
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
server.stop()
"""


@contextmanager
def object_storage(bucket: str) -> Iterator[dict[str, str]]:
    """A server with one bucket; yields the environment by which boto3 finds it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{process.stdout.readline().strip()}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            import boto3

            from trials.storage.object_store import _client

            _client.cache_clear()
            boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
            yield environment
            _client.cache_clear()
    finally:
        process.communicate("\n", timeout=60)
