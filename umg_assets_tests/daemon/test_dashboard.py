"""The dashboard as a process: beside Dagster under `umg dev`, and alone; and a port that is taken."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from umg_assets_tests.daemon import awaited, environment, free_port
from umg_assets_tests.processes import PATIENCE, kill_session, of_session

pytestmark = pytest.mark.sail_enough


def umg(home: Path, *arguments: str, **options) -> subprocess.Popen:
    """`umg ARGUMENTS` over a home, in a session of its own."""
    command = [sys.executable, "-m", "umg_assets", "--home", str(home), *arguments]
    return subprocess.Popen(
        command,
        env=environment(home),
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def status(port: int, path: str) -> int:
    """The status that a port answers with; 0 while nobody does."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.exhaustive
def test_umg_dev_starts_the_dashboard_beside_dagster_prints_both_addresses_and_ends_both(tmp_path: Path):
    port, dashboard_port = free_port(), free_port()
    umg_dev = umg(tmp_path / "home", "dev", "--port", str(port), "--dashboard-port", str(dashboard_port))
    try:
        assert awaited(lambda: status(dashboard_port, "/healthz") == 200)
        assert awaited(lambda: status(port, "/server_info") == 200)
        assert status(dashboard_port, "/") == 503, "it says what to type while nothing is published"
        umg_dev.terminate()
        printed, _ = umg_dev.communicate(timeout=PATIENCE)
        assert f"http://127.0.0.1:{port}" in printed
        assert f"http://127.0.0.1:{dashboard_port}/" in printed
        assert awaited(lambda: not of_session(umg_dev.pid)), "the dashboard is gone, too"
    finally:
        kill_session(umg_dev.pid)


@pytest.mark.parametrize("command", ["dashboard", "dev"])
def test_a_port_that_is_taken_is_one_clear_line_and_nothing_starts(tmp_path: Path, command: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        option = "--port" if command == "dashboard" else "--dashboard-port"
        other = [] if command == "dashboard" else ["--port", str(free_port())]
        ended = umg(tmp_path / "home", command, option, str(port), *other)
        printed, _ = ended.communicate(timeout=PATIENCE)
    assert ended.returncode == 1
    assert printed.strip() == (
        f"umg: port {port} of 127.0.0.1 is taken: another program listens there; end it, or name another port with "
        f"{option}"
    )
    assert not (tmp_path / "home" / "dagster").exists()
