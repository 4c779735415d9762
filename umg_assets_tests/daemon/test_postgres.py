"""Many machines: runs, events and pools in PostgreSQL, as deployment/dagster-postgres.yaml defines it."""

import importlib.resources
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import trustme

from umg_assets.resources.instance import open_instance
from umg_assets_tests.daemon import Daemon, free_port
from umg_assets_tests.lake import Lake
from umg_assets_tests.postgres import postgres

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


@pytest.fixture
def over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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
        yield


def test_umg_run_and_the_daemon_work_over_postgresql_with_tls(
    over_tls: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_ENGINE", "sail")
    lake = Lake(tmp_path / "home", on_disk=True)
    lake.configure("[automation]\nsensor_seconds = 1\nquiet_seconds = 1\n")
    with pytest.raises(psycopg2.OperationalError, match="no encryption"):
        psycopg2.connect(os.environ["DAGSTER_PG_URL"].replace("+psycopg2", "").replace("verify-full", "disable"))
    template = importlib.resources.files("umg_assets.deployment") / "dagster-postgres.yaml"
    (lake.home / "dagster").mkdir()
    (lake.home / "dagster" / "dagster.yaml").write_text(template.read_text())
    play = ("u1", "", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")
    lake.drop_plays("2026-03-02", [("p1", *play)])
    lake.run()
    assert lake.run().runs == 0, "what was built is read back from PostgreSQL"
    lake.drop_plays("2026-03-03", [("p2", *play)])
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
