"""The engine: one Spark session per process, embedded Sail or Apache Spark, started when a step first needs it.

Together with resources/lakehouse.py the only module that knows which engine runs. Sail is a Spark Connect server in a
child process, without Java. Spark is local, a cluster (spark_master) or a Spark Connect server (spark_remote).
"""

import atexit
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from dagster_pyspark import LazyPySparkResource
from delta import configure_spark_with_delta_pip
from pydantic import Field
from pyspark.sql import SparkSession

from umg_assets.resources.engine_errors import first_line
from umg_assets.resources.executors import runs_elsewhere
from umg_assets.resources.locations import address_of
from umg_assets.resources.staging import staging_folder
from umg_assets.settings.home import odd_characters
from umg_assets.settings.model import Settings
from umg_assets.text import redacted

if TYPE_CHECKING:
    from umg_assets.resources.sail import Sail

DELTA_JAR = "io.delta:delta-spark_4.2_2.13:4.4.0"
_JAVA_VERSIONS = (17, 21)
_CONNECT_PORT = 15002
# Otherwise pyspark records the file and line of every API call, even of F.col().
_NO_CALL_SITES = ("spark.python.sql.dataFrameDebugging.enabled", "false")
_SPARK_SQL = {
    "spark.databricks.delta.snapshotPartitions": "1",
    # Collapsed projections repeat a source's expressions in each of their checks: over 64 KB of Java.
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.CollapseProject",
    # Otherwise Spark, unlike Sail, substitutes variables for ${...} in file names and expressions.
    "spark.sql.variable.substitute": "false",
}


class EngineError(RuntimeError):
    """The engine cannot start; the message says what is missing and how to get it."""


class Engine(LazyPySparkResource):
    """dagster-pyspark's lazy resource, over Sail or Spark.

    engine: sail or spark; master and remote: where Spark runs, local when both are None; home: UMG_HOME, in whose
    staging/ the engine's temporary files lie (None: where the system's lie). `spark_session` starts the engine once per
    process; it stops at exit. Raises EngineError when Java or the Delta jars are missing.

    Dagster stores and shows these fields: `of` gives remote without its token, which stays in this process.
    """

    spark_config: dict[str, Any] = Field(default_factory=dict)
    engine: Literal["sail", "spark"] = "sail"
    master: str | None = None
    remote: str | None = None
    home: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Engine":
        """The engine that the settings name. Raises EngineError for a home below which Sail finds no tables."""
        if settings.engine == "sail" and (odd := odd_characters(settings.home)):
            raise EngineError(
                f"UMG_HOME is {settings.home}: expected a path of letters A to Z, digits and /._~+'=,@-, got {odd!r}, "
                "and below such a path the engine finds no tables: move it, or set UMG_HOME to a link to it"
            )
        return cls(
            engine=settings.engine,
            master=settings.spark_master,
            remote=settings.spark_remote and _shown(settings.spark_remote),
            home=str(settings.home),
        )

    def _init_session(self) -> None:
        if self._spark_session is None:
            home = Path(self.home) if self.home else None
            self._spark_session = session(self.engine, self.master, self.remote, home)


_secret: dict[str, str] = {}
"""By what is shown of an address, the address: with its token."""


def _shown(remote: str) -> str:
    """An address as it may be shown: without parameters, and without a password."""
    shown = redacted(remote.partition(";")[0])
    _secret[shown] = remote
    return shown


_sessions: dict[tuple[str, str | None, str | None, bool], SparkSession] = {}
_sails: list["Sail"] = []


def session(
    engine: str, master: str | None = None, remote: str | None = None, home: Path | None = None
) -> SparkSession:
    """The process's session, in UTC and with ANSI off: a bad cast gives NULL and does not abort a slice.

    The first call starts the engine, its temporary files in `home`/staging; embedded Sail reaches a bucket only where
    the tables of `home` lie in one. Raises EngineError when it cannot start.
    """
    remote = remote and _secret.get(remote, remote)
    outward = home is not None and address_of(home) is not None
    where = (engine, master, remote, outward) if engine == "spark" else (engine, None, None, outward)
    if where not in _sessions:
        _sessions[where] = _start(*where, staging_folder(home) if home else None)
    return _sessions[where]


def exposed() -> str:
    """Why other users of this machine can reach the embedded engine that this process started; empty if they cannot."""
    return " ".join(sail.exposed for sail in _sails)


def _start(engine: str, master: str | None, remote: str | None, outward: bool, temporary: Path | None) -> SparkSession:
    # Dagster's logging set-up enables pyspark's disabled logger, which prints a page of JSON, with data, per error.
    logging.getLogger("pyspark.sql.connect.logging").setLevel(logging.CRITICAL)
    if engine == "sail":
        spark = _start_sail(temporary, outward)
        spark.conf.set(*_NO_CALL_SITES)
    else:
        spark = _connect(remote) if remote else _start_spark(master, temporary)
        for name, value in _SPARK_SQL.items():
            spark.conf.set(name, value)
        if remote or (master and not master.startswith("local")):
            runs_elsewhere(spark)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    return spark


def _start_sail(temporary: Path | None, outward: bool) -> SparkSession:
    from umg_assets.resources.sail import Sail

    try:
        sail = Sail(temporary, outward)
    except RuntimeError as error:
        raise EngineError(str(error)) from error
    _sails.append(sail)
    return sail.connect()


def _connect(remote: str) -> SparkSession:
    _reach(remote, "no Spark Connect server answers")
    try:
        spark = SparkSession.builder.remote(remote).getOrCreate()
    except Exception as error:
        said = redacted(first_line(error).replace(remote, _shown(remote)))
        raise EngineError(f"Spark Connect at {_shown(remote)} cannot be used: {said}") from None
    atexit.register(spark.stop)
    return spark


def _start_spark(master: str | None, temporary: Path | None) -> SparkSession:
    java_version()
    if master and master.startswith("spark://"):
        _reach(master, "no Spark master answers")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    cores = os.cpu_count() or 2
    builder = (
        SparkSession.builder.master(master or f"local[{cores}]")
        .appName("umg_assets")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.showConsoleProgress", "false")
        .config(*_NO_CALL_SITES)
        .config("spark.driver.host", "127.0.0.1" if master is None else _host_for(master))
        .config("spark.driver.memory", os.environ.get("SPARK_DRIVER_MEMORY", "4g"))
    )
    if master is None:
        builder = (
            builder.config("spark.sql.shuffle.partitions", str(cores * 2))
            .config("spark.authenticate", "true")  # its ports on the loopback answer this process alone
            .config("spark.local.dir", str(temporary or tempfile.gettempdir()))
        )
    _announce_download()
    with _jvm_log() as log:
        try:
            spark = configure_spark_with_delta_pip(builder).getOrCreate()
        except Exception as error:
            raise EngineError(
                f"Apache Spark did not start: {str(error).splitlines()[0]}. Its log: {log}. If {DELTA_JAR} could not "
                "be downloaded, check the network (Maven Central); UMG_ENGINE=sail needs neither Java nor jars"
            ) from error
    atexit.register(log.unlink, missing_ok=True)
    atexit.register(spark.stop)
    return spark


def _reach(url: str, otherwise: str) -> None:
    """Raises EngineError at once when none of the URL's hosts listens; Spark itself would retry for minutes."""
    hosts = [urlsplit(f"//{part}") for part in re.split("[/;]", url.partition("://")[2])[0].split(",")]
    for host in hosts:
        with suppress(OSError), socket.create_connection((host.hostname or "", host.port or _CONNECT_PORT), timeout=5):
            return
    raise EngineError(
        f"{otherwise} at {_shown(url)}: start it or correct the setting (umg.toml, UMG_SPARK_MASTER or _REMOTE)"
    )


@contextmanager
def _jvm_log() -> Iterator[Path]:
    """Sends stderr of the Java process that starts in the block to a log file: Ivy's and log4j's lines help no user."""
    descriptor, name = tempfile.mkstemp(prefix="umg-spark-", suffix=".log")
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _host_for(master: str) -> str:
    """The driver's address for the cluster: the loopback if the cluster is on it, else this host's name."""
    return "127.0.0.1" if "127.0.0.1" in master or "localhost" in master else socket.getfqdn()


def java_version() -> int:
    """The major version of the Java that Spark would use. Raises EngineError when no Java 17 or 21 is found."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    advice = (
        "install Java 17 (Debian: apt-get install openjdk-17-jre-headless), or use UMG_ENGINE=sail, which needs none"
    )
    if not java or not Path(java).exists():
        raise EngineError(f"Apache Spark needs Java 17 or 21 and none was found: {advice}")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', output)
    version = int(match[1]) if match else 0
    if version not in _JAVA_VERSIONS:
        raise EngineError(f"Apache Spark 4.2 runs on Java 17 or 21, {java} is {version or 'no Java'}: {advice}")
    return version


def _announce_download() -> None:
    """Prints one line if Ivy is about to download Delta's jars; nothing if they are cached."""
    group, name, version = DELTA_JAR.split(":")
    if not any(Path.home().glob(f".ivy2*/jars/{group}_{name}-{version}.jar")):
        print(f"Downloading {DELTA_JAR} for Apache Spark (once, about 35 s) ...", file=sys.stderr, flush=True)
