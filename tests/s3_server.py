"""A real S3 server (SeaweedFS from PyPI) on this machine, for any test that needs one."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ACCESS_KEY = "testkey"
SECRET_KEY = "testsecret123"
_START_SECONDS = 120
_PORTS = 16  # beside each other: S3, its services, and their gRPC


class S3Server:
    """A running server: ``url``, the ``environment`` that points boto3 and batchgen to it, and a ``client``."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"max_attempts": 1}, connect_timeout=30, read_timeout=60),
        )

    def make_bucket(self, name: str) -> str:
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        listed = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server in a folder of its own, and stop it (and only it) afterwards."""
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        port = _free_ports()
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(folder, port),
                env=os.environ | {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
            )
        try:
            server = S3Server(port)
            _await_storing(server, process, log)
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for number in range(port, port + _PORTS):  # it lays its sockets there whatever TMPDIR says
                for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                    left.unlink()


def _command(folder: str, port: int) -> list[str]:
    ports = {"s3.port": 0, "master.port": 1, "volume.port": 2, "filer.port": 3, "s3.port.grpc": 14}
    ports |= {"admin.port": 5, "master.port.grpc": 11, "volume.port.grpc": 12, "filer.port.grpc": 13}
    ports |= {"admin.port.grpc": 15}
    options = [f"-{name}={port + offset}" for name, offset in ports.items()]
    off = ("s3.autoCreateBucket", "webdav", "admin.ui", "master.telemetry")
    options += [f"-{name}=false" for name in off] + ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    weed = str(Path(sys.executable).with_name("weed"))
    return [weed, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options]


def _free_ports() -> int:
    """The first of a run of free ports, below those that the system hands out by itself."""
    for _ in range(100):
        first = random.randrange(10_000, 32_000, _PORTS)
        if all(_is_free(port) for port in range(first, first + _PORTS)):
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _await_storing(server: S3Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for a real put and get: the port answers before the server can store."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.make_bucket("ready")
            server.client.put_object(Bucket="ready", Key="x", Body=b"x")
            server.client.get_object(Bucket="ready", Key="x")["Body"].read()
            return
        except server.client.exceptions.BucketAlreadyOwnedByYou:
            server.client.delete_bucket(Bucket="ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")
