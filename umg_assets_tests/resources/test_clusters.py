"""A chart built on a Spark cluster and on a Spark Connect server, both on the loopback, is Sail's chart."""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from umg_assets_tests.clusters import Programs, programs
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import free_ports, need_java, printed_by, run_python

RUN = """
import sys
from pathlib import Path
from umg_assets.cli.run import runner_of
from umg_assets.settings.model import read_settings
report = runner_of(read_settings(Path(sys.argv[1]))).bring_up_to_date()
from pyspark.sql import SparkSession
from umg_assets.resources.engine import session
settings = read_settings(Path(sys.argv[1]))
spark = session(settings.engine, settings.spark_master, settings.spark_remote)
print(type(spark).__module__, spark.conf.get("spark.master", "none"), report.runs)
"""
TOKEN = "only-for-this-test"

pytestmark = pytest.mark.cluster


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Programs]:
    """Programs of Spark; they end with the test."""
    with programs(tmp_path) as started:
        yield started


@contextmanager
def tls_in_front_of(port: int, authority: trustme.CA) -> Iterator[int]:
    """A port of localhost that speaks TLS, with a certificate of the authority, for a server that does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("localhost").configure_cert(context)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer), return_exceptions=True)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(served, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def landed(home: Path) -> Lake:
    """A tiny landing/: two markets, a correction, a record that cannot land."""
    lake = Lake(home)
    lake.drop_users("2026-03-01", [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "18-24")])
    lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 9)])
    lake.drop_plays(
        "2026-03-02",
        [
            ("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000),
            ("p2", "u1", "s1", "t2", "2026-03-02T10:04:00Z", 10_000),
            ("p3", "u2", "s1", "t2", "2026-03-02T11:00:00Z", 95_000),
            ("p4", "u2", "s1", "t2", "no time", 95_000),
        ],
    )
    lake.drop_plays("2026-03-03", [("p2", "u1", "s1", "t1", "2026-03-03T10:04:00Z", 40_000)])
    return lake


def outcome(lake: Lake) -> dict[str, Sequence]:
    """What the lakehouse holds, without user keys (each lakehouse has its own)."""
    return {
        "chart": lake.rows("top_tracks_by_country"),
        "months": lake.rows("monthly_track_plays"),
        "plays": lake.values("plays", "play_id", "play_date", "is_stream", "is_complete", "country", "age_group"),
        "quarantine": lake.values("quarantine", "source_file", "record", "reason", "text"),
    }


@pytest.fixture(scope="module")
def on_sail(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence]:
    """What the same landing/ gives on Sail."""
    lake = landed(tmp_path_factory.mktemp("sail") / "home")
    printed_by(RUN, lake.home, env={"UMG_ENGINE": "sail"})
    expected = outcome(lake)
    assert all(expected.values()), expected
    return expected


@pytest.mark.exhaustive
def test_a_chart_built_on_a_spark_cluster_is_sails(tmp_path: Path, started: Programs, on_sail: dict[str, Sequence]):
    need_java()
    master = started.standalone()
    lake = landed(tmp_path / "cluster")
    env = {"UMG_ENGINE": "spark", "UMG_SPARK_MASTER": master, "SPARK_CONF_DIR": str(tmp_path)}
    output = printed_by(RUN, lake.home, env=env)
    assert output.split()[:2] == ["pyspark.sql.session", master]
    assert list((tmp_path / "work-0").glob("app-*")), "the worker ran nothing"
    assert outcome(lake) == on_sail


@pytest.mark.exhaustive
def test_a_chart_built_on_a_spark_connect_server_behind_tls_and_a_token_is_sails(
    tmp_path: Path, started: Programs, on_sail: dict[str, Sequence]
):
    need_java()
    port = started.connect(**{"spark.connect.authenticate.token": TOKEN})
    lake = landed(tmp_path / "connect")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    trusted = {"UMG_ENGINE": "spark", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "authority.pem")}
    with tls_in_front_of(port, authority) as secure:
        remote = f"sc://localhost:{secure}/;use_ssl=true;token="
        output = printed_by(RUN, lake.home, env={**trusted, "UMG_SPARK_REMOTE": f"{remote}{TOKEN}"})
        refused = run_python(RUN, lake.home, env={**trusted, "UMG_SPARK_REMOTE": f"{remote}guessed"})
    assert output.split()[:2] == ["pyspark.sql.connect.session", "local[2]"]
    assert outcome(lake) == on_sail
    assert refused.returncode == 1
    assert "guessed" not in refused.stderr


@pytest.mark.parametrize("setting", ["UMG_SPARK_MASTER", "UMG_SPARK_REMOTE"])
def test_a_cluster_that_does_not_answer_is_reported_at_once_in_one_clear_line(tmp_path: Path, setting: str):
    need_java()
    (port,) = free_ports(1)
    url = f"{'spark' if setting.endswith('MASTER') else 'sc'}://127.0.0.1:{port}"
    code = """
import os, sys
from umg_assets.resources.engine import EngineError, session
try:
    session("spark", os.environ.get("UMG_SPARK_MASTER"), os.environ.get("UMG_SPARK_REMOTE"))
except EngineError as error:
    print(error)
"""
    message = run_python(code, env={setting: url}).stdout.strip()
    assert "\n" not in message
    assert url in message
    assert "start it or correct the setting" in message
