"""Embedded Sail as its client sees it: a child process (sail_server.py) and a Spark Connect session over its socket."""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession

from umg_assets.resources import python_module, sail_server

_IDLE, _A_YEAR = "SAIL_SPARK__SESSION_TIMEOUT_SECS", str(365 * 24 * 3600)
"""Sail ends a session after 15 minutes without a command; a run may parse files, or wait, for longer than that."""


class Sail:
    """One running server, until this process ends.

    temporary: where its directory, and in it its temporary files, lie; None for the system's.
    outward: whether it has to reach object storage.
    exposed: why other users of this machine can reach the server; empty if they cannot.
    Raises RuntimeError when it does not start.
    """

    def __init__(self, temporary: Path | None, outward: bool = False) -> None:
        where = temporary if sail_server.HAS_PROC else None  # a socket's path must be short
        self.directory = Path(tempfile.mkdtemp(prefix="umg-sail-", dir=where))  # mode 0700
        self.process = subprocess.Popen(
            [
                *python_module.command(sail_server.__name__),
                str(self.directory),
                *([sail_server.OUTWARD] if outward else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "RUST_LOG": "error",
                **python_module.environment(),
                "TMPDIR": str(self.directory),
                _IDLE: _A_YEAR,
            },
            start_new_session=True,  # Ctrl-C is for the process that works with it
        )
        assert self.process.stdout
        with self.process.stdout as stdout:
            line = stdout.readline()
        if not line:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise RuntimeError(f"Sail did not start: its process ended with {self.process.wait()}")
        self.exposed = line.strip()

    def connect(self) -> SparkSession:
        """The session of this process."""
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # what SparkSession.builder.remote() sets
        spark = ConnectSession.builder.channelBuilder(_Channel(sail_server.socket_path(self.directory))).create()
        spark.client.set_retry_policies([_WhileItLives(self.process)])
        atexit.register(self._stop, spark, os.getpid())
        return spark  # pyright: ignore[reportReturnType]

    def _stop(self, spark: ConnectSession, owner: int) -> None:
        if os.getpid() != owner:
            return
        spark.stop()
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


class _Channel(DefaultChannelBuilder):
    """A channel over a Unix socket. pyspark's own takes host names only."""

    def __init__(self, socket: str) -> None:
        # gRPC would give the socket's path for the host, which Sail's HTTP/2 server refuses
        super().__init__("sc://localhost", channelOptions=[("grpc.default_authority", "localhost")])
        self._socket = socket

    def toChannel(self) -> grpc.Channel:  # noqa: N802 - pyspark calls it
        return self._insecure_channel(f"unix:{self._socket}")


class _WhileItLives(DefaultPolicy):
    """pyspark's retries, as long as there is a server to answer them: without one they would go on for ten minutes."""

    def __init__(self, process: subprocess.Popen) -> None:
        super().__init__()
        self._process = process

    def can_retry(self, e: BaseException) -> bool:
        return self._process.poll() is None and super().can_retry(e)
