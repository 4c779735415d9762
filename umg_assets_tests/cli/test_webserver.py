"""What other sites can make a browser send to Dagster's webserver: nothing that changes anything.

Over real HTTP, against the webserver that `umg dev` starts, without a password."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import dagster as dg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from umg_assets.resources.instance import open_instance
from umg_assets_tests.daemon import awaited, environment, free_port

pytestmark = pytest.mark.sail_enough


class Webserver(NamedTuple):
    """A webserver over a home: the port, and a run that its instance has stored."""

    home: Path
    port: int
    run: str

    @property
    def deletion(self) -> str:
        """A mutation that deletes the run."""
        return f'mutation {{ deletePipelineRun(runId: "{self.run}") {{ __typename }} }}'

    def ask(
        self, method: str, path: str, body: str | None = None, host: str | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """An answer. host: of the Host header, default: the right one. headers: with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": host or f"127.0.0.1:{self.port}", **given})
        answer = connection.getresponse()
        answer.read()
        return answer

    @property
    def is_there(self) -> bool:
        """Whether the run is still stored."""
        with open_instance(self.home) as instance:
            return instance.has_run(self.run)


@dg.job
def nothing() -> None:
    """A job without a step."""


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    """A webserver without code locations, and a run."""
    home, port = tmp_path_factory.mktemp("web") / "home", free_port()
    home.mkdir()
    workspace = home / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    with open_instance(home) as instance:
        run = nothing.execute_in_process(instance=instance).run_id
    module = [sys.executable, "-m", "umg_assets.cli.webserver"]
    place = ["-h", "127.0.0.1", "-p", str(port), "-w", str(workspace), "--name", "lake.example"]
    process = subprocess.Popen([*module, *place], env=environment(home))
    web = Webserver(home, port, run)

    def answers() -> bool:
        try:
            return web.ask("GET", "/server_info").status == 200
        except OSError:
            return False

    try:
        assert awaited(answers)
        yield web
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql", "/%67raphql", "/GraphQL"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_a_mutation_comes_by_post_alone(webserver: Webserver, method: str, path: str):
    asked = f"{path}?query={quote(webserver.deletion)}"
    assert webserver.ask(method, asked, Origin="http://evil.example").status == 403
    assert webserver.ask(method, asked).status == 405
    assert webserver.is_there


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "text/plain",
        "text/plain; application/json",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/graphql", "/report_asset_materialization/plays", "/report_asset_check/plays", "/report_asset_observation/plays"],
)
def test_forms_and_texts_are_refused_wherever_something_could_change(
    webserver: Webserver, path: str, media_type: str | None
):
    body = json.dumps({"query": webserver.deletion, "check_name": "c", "passed": True})
    given = {"Content_Type": media_type} if media_type else {}
    query = f"?query={quote(webserver.deletion)}&check_name=c&passed=true"
    assert webserver.ask("POST", path + query, body, **given).status == 415
    assert webserver.is_there
    with open_instance(webserver.home) as instance:
        assert not instance.get_latest_materialization_event(dg.AssetKey("plays"))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_another_origin_is_refused(webserver: Webserver, origin: str):
    body = json.dumps({"query": webserver.deletion})
    for path in ("/graphql", "/report_asset_materialization/plays", "/"):
        assert webserver.ask("POST", path, body, Content_Type="application/json", Origin=origin).status == 403
    assert webserver.ask("GET", "/", Origin=origin).status == 403
    assert webserver.is_there


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_another_site_sends_is_refused(webserver: Webserver, site: str):
    body = json.dumps({"query": webserver.deletion})
    given = {"Content_Type": "application/json", "Sec_Fetch_Site": site}
    assert webserver.ask("POST", "/graphql", body, **given).status == 403
    assert webserver.ask("GET", "/", Sec_Fetch_Site=site).status == 200, "a link of another site leads here"
    assert webserver.is_there


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1@evil.example"]
)
def test_another_hosts_name_is_not_served_although_it_leads_here(webserver: Webserver, host: str):
    body = json.dumps({"query": webserver.deletion})
    same = {"Content_Type": "application/json", "Origin": f"http://{host}"}
    assert webserver.ask("POST", "/graphql", body, host=host, **same).status == 421
    assert webserver.ask("GET", "/", host=host).status == 421
    assert webserver.is_there


def _handshake(webserver: Webserver, **headers: str) -> int:
    try:
        address, protocols = f"ws://127.0.0.1:{webserver.port}/graphql", [Subprotocol("graphql-ws")]
        with connect(address, subprotocols=protocols, additional_headers=headers):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_websocket_opens_for_a_page_of_its_own_alone(webserver: Webserver):
    assert _handshake(webserver, Origin=f"http://127.0.0.1:{webserver.port}") == 101
    assert _handshake(webserver, Origin="http://evil.example") == 403
    assert _handshake(webserver, Origin="null") == 403
    assert _handshake(webserver) == 403


def test_no_answer_may_be_shown_in_a_frame(webserver: Webserver):
    answers = [
        webserver.ask("GET", "/"),
        webserver.ask("GET", "/server_info"),
        webserver.ask("GET", "/graphql"),
        webserver.ask("GET", "/", host="evil.example"),
        webserver.ask("GET", "/not/there.js"),
    ]
    for answer in answers:
        policies = answer.headers.get_all("Content-Security-Policy") or []
        assert "frame-ancestors 'none'" in policies, answer.status


def test_its_own_pages_and_programs_ask_change_and_delete(webserver: Webserver):
    body = json.dumps({"query": "{ version }"})
    assert webserver.ask("POST", "/graphql", body, Content_Type="application/json; charset=utf-8").status == 200
    for host in (f"127.0.0.1:{webserver.port}", f"localhost:{webserver.port}", "lake.example", "lake.example:8443"):
        own = {"Content_Type": "application/json", "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
        assert webserver.ask("POST", "/graphql", body, host=host, **own).status == 200
        assert webserver.ask("GET", "/", host=host).status == 200
    deletion = json.dumps({"query": webserver.deletion})
    assert webserver.ask("POST", "/graphql", deletion, Content_Type="application/json").status == 200
    assert not webserver.is_there
