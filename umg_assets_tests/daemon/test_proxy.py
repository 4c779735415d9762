"""The reverse proxy that docs/operations.md shows: nginx with its block, in front of `umg dev`."""

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from umg_assets_tests.conftest import NewLake
from umg_assets_tests.daemon import awaited, environment
from umg_assets_tests.processes import PATIENCE, free_ports

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]
NAME = "lake.example.com"
SIGNED_IN = {"X-Signed-In": "ann"}
"""What the authentication of the tests' proxy asks for."""
_SERVER = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /oauth2/auth {{ internal; if ($http_x_signed_in = "") {{ return 401; }} return 204; }}
        {block}
    }}
}}
"""


class Answer(NamedTuple):
    """Of the proxy; status 0: nobody answers. policies: its Content-Security-Policy headers."""

    status: int
    policies: list[str]
    body: str


class Proxy(NamedTuple):
    """Where the proxy listens."""

    port: int

    @property
    def origin(self) -> str:
        """Of Dagster's pages, as a browser names it."""
        return f"http://{NAME}:{self.port}"

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer to a GET, or to a POST of a body, of somebody who has signed in. headers: with _ for -."""
        given = {
            "Host": f"{NAME}:{self.port}",
            **SIGNED_IN,
            **{key.replace("_", "-"): of for key, of in headers.items()},
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, given)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(
                    answer.status, answer.headers.get_all("Content-Security-Policy", []), answer.read().decode()
                )
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, [], refused.read().decode())
        except OSError:
            return Answer(0, [], "")

    def handshake(self, origin: str, headers: Mapping[str, str] = SIGNED_IN) -> str:
        """The first message of Dagster's websocket, or the status with which it is refused."""
        try:
            with connect(
                f"ws://{NAME}:{self.port}/graphql",
                sock=socket.create_connection(("127.0.0.1", self.port)),
                additional_headers={**headers, "Origin": origin},
                subprotocols=[Subprotocol("graphql-ws")],
            ) as opened:
                opened.send(json.dumps({"type": "connection_init"}))
                return json.loads(opened.recv(timeout=60))["type"]
        except InvalidStatus as refused:
            return str(refused.response.status_code)


def nginx() -> str:
    """The program. Skips the test where it is missing; fails it when REQUIRE_NGINX=1."""
    if program := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        return program
    message = "nginx is missing: apt-get install nginx-light"
    if os.environ.get("REQUIRE_NGINX") == "1":
        pytest.fail(message)
    pytest.skip(message)


def block_of_docs(port: int) -> str:
    """The block that the docs show, in front of a port."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (block,) = re.findall(r"```\n(location / \{.*?\n\})\n```", text, re.DOTALL)
    assert f"umg dev --name {NAME}" in block
    return block.replace("http://127.0.0.1:3000", f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def proxy(new_lake: NewLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """nginx with the docs' block, in front of `umg dev` over a lake."""
    program, folder = nginx(), tmp_path_factory.mktemp("nginx")
    port, behind, dashboard = free_ports(3)
    block = block_of_docs(behind)
    (folder / "nginx.conf").write_text(_SERVER.format(user=getpass.getuser(), folder=folder, port=port, block=block))
    umg_dev = [sys.executable, "-m", "umg_assets", "dev", "--name", NAME]
    umg_dev += ["--port", str(behind), "--dashboard-port", str(dashboard)]
    started = [
        subprocess.Popen(umg_dev, env=environment(new_lake("proxied").home), start_new_session=True),
        subprocess.Popen([program, "-e", folder / "error.log", "-c", folder / "nginx.conf"], start_new_session=True),
    ]
    made = Proxy(port)
    try:
        assert awaited(lambda: made.ask("/server_info").status == 200 or any(of.poll() is not None for of in started))
        assert [of.poll() for of in started] == [None, None], (folder / "error.log").read_text()
        yield made
    finally:
        for process in started:
            process.terminate()
            process.wait(PATIENCE)


def graphql(query: str) -> bytes:
    return json.dumps({"query": query}).encode()


def test_who_has_signed_in_sees_dagsters_pages_under_the_name_that_is_served_and_in_no_frame(proxy: Proxy):
    page = proxy.ask("/")
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.policies
    assert proxy.ask("/", X_Signed_In="").status == 401
    assert proxy.ask("/", Host="evil.example").status == 421


def test_what_dagsters_own_pages_send_passes(proxy: Proxy):
    sent = {"Content_Type": "application/json", "Origin": proxy.origin}
    answer = proxy.ask("/graphql", graphql("{ version }"), **sent)
    assert (answer.status, "version" in json.loads(answer.body)["data"]) == (200, True)
    assert proxy.handshake(proxy.origin) == "connection_ack"


def test_what_another_site_makes_a_browser_send_is_refused(proxy: Proxy):
    json_of = {"Content_Type": "application/json"}
    foreign = proxy.ask("/graphql", graphql("{ version }"), Origin="http://evil.example", **json_of)
    assert foreign.status == 403
    assert proxy.handshake("http://evil.example") == "403"
    assert proxy.handshake(proxy.origin, {}) == "401"
    mutation = "query=mutation%7BreloadWorkspace%7B__typename%7D%7D"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    by_nginx = [
        proxy.ask(f"/graphql?{mutation}"),
        proxy.ask(f"/graphql/?{mutation}"),
        proxy.ask("/graphql", mutation.encode(), **form),
        proxy.ask("/graphql", graphql("{ version }"), Content_Type="text/plain"),
    ]
    assert [(answer.status, "nginx" in answer.body) for answer in by_nginx] == [(405, True)] * 4
