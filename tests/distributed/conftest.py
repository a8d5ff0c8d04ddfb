"""A Ray of two workers and an S3 endpoint, which all tests of this folder share: both are slow to
start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest

# Ray's processes inherit these when it starts, so that they find the endpoint.
STORE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Store:
    """An S3 endpoint of this machine, with a bucket of its own for every test."""

    files: Any  # an fsspec file system
    bucket: str

    def url(self, *parts: str) -> str:
        """The URL of a key in the bucket."""
        return "/".join((f"s3://{self.bucket}", *parts))

    def put(self, key: str, data: bytes) -> str:
        """Store an object; its URL."""
        self.files.pipe_file(f"{self.bucket}/{key}", data)
        return self.url(key)


@pytest.fixture(scope="package")
def endpoint() -> Iterator[str | None]:
    """The URL of moto's server, None where moto or s3fs is not installed."""
    if find_spec("moto") is None or find_spec("s3fs") is None:
        yield None
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    wanted = STORE | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    yield wanted["AWS_ENDPOINT_URL"]
    server.stop()
    _restore(before)


@pytest.fixture(scope="package")
def two_workers(endpoint: str | None) -> Iterator[None]:
    """This machine as a Ray cluster of two processors."""
    from qks_cli.distributed.cluster import cluster

    before = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
    with cluster(workers=2) as sizes:
        assert (sizes.cpus, sizes.gpus, sizes.models) == (2, 0, 1)
        yield
    _restore(before)


@pytest.fixture
def s3(endpoint: str | None, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A bucket."""
    if endpoint is None:
        pytest.skip("no moto or no s3fs here")
    import fsspec

    files = fsspec.filesystem("s3")
    bucket = re.sub("[^a-z]+", "-", request.node.name)[:60].strip("-")
    files.mkdir(bucket)
    yield Store(files, bucket)
    files.rm(bucket, recursive=True)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
