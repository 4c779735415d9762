"""Spark clusters on the loopback, for tests: a standalone one, a Spark Connect server, and a Python for executors."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest

from umg_assets.resources.engine import DELTA_JAR
from umg_assets_tests.processes import FOR_FEW_ROWS, free_ports

SPARK_HOME = Path(pyspark.__file__).parent
_HOST = ("--host", "127.0.0.1")


class Programs:
    """Programs of pip's pyspark, with their logs in a folder. python: of the executors; default: this one."""

    def __init__(self, folder: Path, python: Path | None = None) -> None:
        self.folder = folder
        self._python = python or Path(sys.executable)
        self._started: list[subprocess.Popen] = []

    def start(self, program: str, *arguments: object) -> subprocess.Popen:
        """Starts one, without the folders in which this process looks for modules."""
        log = (self.folder / f"{program}-{len(self._started)}.log").open("w")
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env |= {"SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(self._python)}
        command = [str(SPARK_HOME / "bin" / program), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self.folder, start_new_session=True)
        self._started.append(process)
        return process

    def standalone(self, workers: int = 1) -> str:
        """Starts a master and workers of a core each. Returns the master's address."""
        port, web, *webs = free_ports(2 + workers)
        master = f"spark://127.0.0.1:{port}"
        running = self.start(
            "spark-class", "org.apache.spark.deploy.master.Master", *_HOST, "--port", port, "--webui-port", web
        )
        self.await_port(port, running)
        for number, web in enumerate(webs):
            own = ("-c", 1, "-m", "1g", "-d", self.folder / f"work-{number}", "--webui-port", web)
            running = self.start("spark-class", "org.apache.spark.deploy.worker.Worker", *_HOST, *own, master)
            self.await_port(web, running)
        conf = {**FOR_FEW_ROWS, "spark.sql.shuffle.partitions": "2", "spark.executor.memory": "800m"}
        (self.folder / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in conf.items()))
        return master

    def connect(self, **configured: str) -> int:
        """Starts a Spark Connect server. Returns its port."""
        (port,) = free_ports(1)
        conf = {
            **FOR_FEW_ROWS,
            "spark.connect.grpc.binding.port": port,
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.shuffle.partitions": 2,
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
            "spark.driver.host": "127.0.0.1",
            **configured,
        }
        settings = [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
        server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]")
        running = self.start("spark-submit", *server, "--packages", DELTA_JAR, *settings, "spark-internal")
        self.await_port(port, running)
        return port

    def await_port(self, port: int, process: subprocess.Popen, seconds: float = 120) -> None:
        """Waits until a started process listens; fails with the logs when it ends before that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.2)
        pytest.fail("\n".join(log.read_text()[-3000:] for log in self.folder.glob("*.log")))

    def end(self) -> None:
        """Ends what was started."""
        for process in reversed(self._started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def programs(folder: Path, python: Path | None = None) -> Iterator[Programs]:
    """Programs that end with the block."""
    started = Programs(folder, python)
    try:
        yield started
    finally:
        started.end()


def python_of_executors(folder: Path, begins_with: str = "") -> Path:
    """A Python that has the packages of this one, but not umg_assets. begins_with: code that it runs at each start."""
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "packages"
    packages.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "umg_assets" not in package.name:
            (packages / package.name).symlink_to(package)
    own = folder / "lib" / version / "site-packages"
    (own / "packages.pth").write_text(f"{packages}\n")
    (own / "sitecustomize.py").write_text(begins_with)
    python = folder / "bin" / "python"
    lacks = subprocess.run(
        [python, "-c", "import umg_assets"], cwd=folder, env={}, capture_output=True, text=True, check=False
    )
    assert "No module named 'umg_assets'" in lacks.stderr, lacks.stderr
    return python
