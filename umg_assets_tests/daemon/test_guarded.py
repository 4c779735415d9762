"""`umg dev` behind TLS and passwords, as a browser meets it."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from umg_assets_tests.daemon import awaited, environment, free_port
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE
from umg_assets_tests.web import Certificate, basic

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


def test_dagsters_pages_and_websockets_and_the_dashboard_open_for_a_name_and_password_and_for_nobody_else(
    lake: Lake, tmp_path: Path
):
    certificate, port, dashboard_port = Certificate(tmp_path), free_port(), free_port()
    passwords = tmp_path / "passwords"
    passwords.write_text("ann:secret\n")
    passwords.chmod(0o600)
    files = ["--tls-cert", certificate.file, "--tls-key", certificate.key, "--password-file", passwords]
    ports = ["--port", str(port), "--dashboard-port", str(dashboard_port)]
    command = [sys.executable, "-m", "umg_assets", "dev", "--host", "0.0.0.0", *ports, *map(str, files)]
    umg_dev = subprocess.Popen(command, env=environment(lake.home), start_new_session=True)

    def status(path: str, headers: dict[str, str], at: int = port) -> int:
        return certificate.status(at, path, headers)

    def handshake(headers: dict[str, str]) -> int:
        protocol = Subprotocol("graphql-ws")
        address = f"wss://localhost:{port}/graphql"
        try:
            given = {**headers, "Origin": f"https://localhost:{port}"}
            with connect(address, ssl=certificate.trusting, additional_headers=given, subprotocols=[protocol]):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    known = basic("ann", "secret")
    try:
        assert awaited(lambda: status("/server_info", known) == 200)
        assert status("/graphql?query=%7Bversion%7D", known) == 405
        assert [status(path, {}) for path in ("/", "/server_info", "/graphql?query=%7Bversion%7D")] == [401, 401, 401]
        assert (handshake(known), handshake({})) == (101, 403)
        assert [status("/healthz", headers, dashboard_port) for headers in (known, {})] == [200, 401]
        assert [status("/", headers, dashboard_port) for headers in (known, {})] == [503, 401], "nothing is published"
        with pytest.raises((OSError, urllib.error.URLError)):
            urllib.request.urlopen(f"http://localhost:{port}/server_info", timeout=30)
    finally:
        os.kill(umg_dev.pid, signal.SIGTERM)
        umg_dev.wait(PATIENCE)


def test_behind_a_proxy_dagsters_pages_answer_to_known_names_alone_and_the_dashboard_to_any(lake: Lake):
    port, dashboard_port = free_port(), free_port()
    ports = ["--port", str(port), "--dashboard-port", str(dashboard_port)]
    command = [sys.executable, "-m", "umg_assets", "dev", "--behind-proxy", "--host", "0.0.0.0", *ports]
    umg_dev = subprocess.Popen(command, env=environment(lake.home), start_new_session=True)

    def status(at: int, path: str, host: str) -> int:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{at}{path}", headers={"Host": host})
            return urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0

    try:
        assert awaited(lambda: umg_dev.poll() is not None or status(port, "/server_info", "localhost") == 200)
        assert status(port, "/server_info", "evil.example") == 421
        assert status(port, "/graphql?query=%7Bversion%7D", "localhost") == 405, "guarded as ever"
        assert status(dashboard_port, "/healthz", "charts.example") == 200
    finally:
        umg_dev.terminate()
        umg_dev.wait(PATIENCE)
