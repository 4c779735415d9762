"""Many machines: runs, events and pools in PostgreSQL, as deployment/dagster-postgres.yaml defines it."""

import importlib.resources
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
import trustme

from umg_assets.build import build_definitions
from umg_assets.resources.instance import open_instance
from umg_assets.resources.postgres import ADDRESS, DUMP, LOAD
from umg_assets_tests.daemon import Daemon, free_port
from umg_assets_tests.lake import Lake
from umg_assets_tests.postgres import BINARIES, Postgres, postgres
from umg_assets_tests.processes import run_python

PLAY = ("u1", "", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")
pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


@pytest.fixture
def over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A PostgreSQL server that takes TLS only, in its own directory; DAGSTER_PG_URL names it and its authority."""
    authority, port = trustme.CA(), str(free_port())
    issued = authority.issue_cert("localhost")
    with postgres("none", "--auth=trust") as server:
        for name, pem in (("server.crt", issued.cert_chain_pems[0]), ("server.key", issued.private_key_pem)):
            pem.write_to_path(server.data / name)
            (server.data / name).chmod(0o600)
            server.own(server.data / name)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        (server.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all trust\n")
        server.start(f"-p {port} -c listen_addresses=localhost -c ssl=on")
        server.run("createdb", "-h", str(server.folder), "-p", port, "-U", "umg", "dagster")
        tls = f"sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
        monkeypatch.setenv("DAGSTER_PG_URL", f"postgresql+psycopg2://umg:none@localhost:{port}/dagster?{tls}")
        yield server


def over_postgres(home: Path) -> Lake:
    """A lake whose Dagster instance is as deployment/dagster-postgres.yaml says, with a play."""
    lake = Lake(home, on_disk=True)
    lake.configure("[automation]\nsensor_seconds = 1\nquiet_seconds = 1\n")
    template = importlib.resources.files("umg_assets.deployment") / "dagster-postgres.yaml"
    (lake.home / "dagster").mkdir()
    (lake.home / "dagster" / "dagster.yaml").write_text(template.read_text())
    lake.drop_plays("2026-03-02", [("p1", *PLAY)])
    return lake


def umg(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Types `umg`."""
    return run_python("from umg_assets.cli.main import main; main()", "--home", home, *arguments)


def typed(command: str, folder: Path) -> None:
    """Types a command that umg has printed, in a folder."""
    path = f"{BINARIES[-1]}:{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", command], env={**os.environ, "PATH": path}, cwd=folder, check=True)


def test_a_back_up_and_the_dump_that_it_asks_for_are_restored_to_a_lakehouse_that_builds_nothing_again(
    over_tls: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_ENGINE", "sail")
    lake = over_postgres(tmp_path / "home")
    lake.run()
    typed(DUMP, tmp_path)
    taken = umg(lake.home, "backup", tmp_path / "back-up", "--landing", "--keys", tmp_path / "keys")
    assert (taken.returncode, f"type `{DUMP}`" in taken.stdout) == (0, True), taken.stdout + taken.stderr
    lake.drop_plays("2026-03-03", [("p2", *PLAY)])
    lake.run()
    restored = umg(tmp_path / "new", "restore", tmp_path / "back-up", "--keys", tmp_path / "keys")
    assert (restored.returncode, f"`{LOAD}`" in restored.stdout) == (0, True), restored.stdout + restored.stderr
    typed(LOAD, tmp_path)
    new = Lake.opened(tmp_path / "new", on_disk=True)
    with open_instance(new.home) as instance:
        assert {run.status.value for run in instance.get_runs()} == {"SUCCESS"}
        runs = len(instance.get_runs())
    status = json.loads(umg(new.home, "status", "--json").stdout)
    assert (status["stale"], status["running"]) == ({}, [])
    assert new.run().runs == 0
    with open_instance(new.home) as instance:
        assert len(instance.get_runs()) == runs
    assert new.values("plays", "play_id") == [("p1",)]


def test_a_postgresql_that_is_not_there_is_named_in_one_line(
    over_tls: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lake = over_postgres(tmp_path / "home")
    over_tls.run("pg_ctl", "-D", str(over_tls.data), "-m", "immediate", "stop")
    for why in ("Connection refused", f"the environment variable {ADDRESS}, which is not set"):
        said = umg(lake.home, "status")
        assert (said.returncode, said.stdout) == (1, "")
        (line,) = [line for line in said.stderr.splitlines() if line.startswith("umg: ")]
        assert why in line
        assert "Retrying" not in said.stderr
        monkeypatch.delenv(ADDRESS, raising=False)


def test_umg_run_and_the_daemon_work_over_postgresql_with_tls(
    over_tls: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_ENGINE", "sail")
    lake = over_postgres(tmp_path / "home")
    with pytest.raises(psycopg2.OperationalError, match="no encryption"):
        psycopg2.connect(os.environ["DAGSTER_PG_URL"].replace("+psycopg2", "").replace("verify-full", "disable"))
    lake.run()
    assert lake.run().runs == 0, "what was built is read back from PostgreSQL"
    lake.drop_plays("2026-03-03", [("p2", *PLAY)])
    daemon = Daemon(lake)
    daemon.start()
    try:
        daemon.settle()
    finally:
        daemon.kill()
    assert lake.values("plays", "play_id") == [("p1",), ("p2",)]
    with open_instance(lake.home) as instance:
        assert {run.tags["umg/asked_by"] for run in instance.get_runs()} == {
            "umg run",
            "landing_sensor",
            "ledger_sensor",
            "catch_up",
        }
    assert not list((lake.home / "dagster").rglob("*.db"))
    assert lake.content() == lake.built_afresh(tmp_path / "fresh").content()


def test_every_pool_is_there_before_two_runs_can_both_be_the_first_to_need_it(over_tls: Postgres, tmp_path: Path):
    lake = over_postgres(tmp_path / "home")
    assets = build_definitions(lake.settings).assets or ()
    pools = {of.op.pool for of in assets if isinstance(of, dg.AssetsDefinition) and of.is_executable and of.op.pool}
    assert len(pools) > 10
    with open_instance(lake.home) as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert {limits.get(pool) for pool in pools} == {1}
