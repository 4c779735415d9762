"""Who reaches the webserver of `umg dev`: TLS, passwords, and errors before anything starts."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from umg_assets.cli.access import Access, AccessError, read_passwords
from umg_assets.cli.guard import Guard
from umg_assets_tests.processes import run_python
from umg_assets_tests.web import Certificate, basic, listening

pytestmark = pytest.mark.sail_enough

PASSWORDS = {"ann": "s3:cret", "björn": "größe"}


async def hello(_: Request) -> PlainTextResponse:
    """A page."""
    return PlainTextResponse("hello")


async def echo(websocket: WebSocket) -> None:
    """A websocket that returns what it is sent."""
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of this machine."""
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def port(certificate: Certificate) -> Iterator[int]:
    """The port of a guarded app behind TLS."""
    app = Guard(Starlette(routes=[Route("/", hello), WebSocketRoute("/echo", echo)]), PASSWORDS)
    with listening(app, ssl_certfile=certificate.file, ssl_keyfile=certificate.key, ws="websockets-sansio") as port:
        yield port


@pytest.mark.parametrize(("name", "password"), PASSWORDS.items())
def test_a_known_name_with_its_password_enters(port: int, certificate: Certificate, name: str, password: str):
    assert certificate.status(port, "/", basic(name, password)) == 200
    headers = basic(name, password)
    with connect(
        f"wss://localhost:{port}/echo", ssl=certificate.trusting, additional_headers=headers, open_timeout=60
    ) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ann", "größe"),
        basic("ann", ""),
        basic("ANN", "s3:cret"),
        basic("nobody", ""),
        {"Authorization": "Basic YW5u*"},
        {"Authorization": "Basic /w=="},
        {"Authorization": basic("ann", "s3:cret")["Authorization"].replace("Basic", "Bearer")},
    ],
    ids=["nothing", "another's", "none", "another name", "no name", "no base64", "no text", "bearer"],
)
def test_everyone_else_gets_401_and_403_for_a_websocket(port: int, certificate: Certificate, headers: dict[str, str]):
    assert certificate.status(port, "/", headers) == 401
    with pytest.raises(InvalidStatus) as refused:
        connect(f"wss://localhost:{port}/echo", ssl=certificate.trusting, additional_headers=headers, open_timeout=60)
    assert refused.value.response.status_code == 403


def test_what_another_site_makes_a_browser_send_is_refused(port: int, certificate: Certificate):
    known = basic("ann", "s3:cret")
    assert certificate.status(port, "/", {**known, "Origin": f"https://localhost:{port}"}) == 200
    assert certificate.status(port, "/", {**known, "Origin": "https://evil.example"}) == 403
    headers = {**known, "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as refused:
        connect(f"wss://localhost:{port}/echo", ssl=certificate.trusting, additional_headers=headers, open_timeout=60)
    assert refused.value.response.status_code == 403


def test_plain_http_gets_no_answer(port: int):
    connection = http.client.HTTPConnection("localhost", port)
    connection.request("GET", "/", headers=basic("ann", "s3:cret"))
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        connection.getresponse()


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A password file that only its owner can open."""
    file = tmp_path / "passwords"
    file.write_text("# who may enter\n\nann:s3:cret\nbjörn:größe\n", encoding="utf-8")
    file.chmod(0o600)
    return file


def test_a_password_file_has_a_name_and_a_password_a_line(passwords: Path):
    assert read_passwords(passwords) == PASSWORDS


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("ann:secret\n", 0o640, "{file} can be opened by others (mode 0640): chmod 600 {file}"),
        ("ann:secret\nbob\n", 0o600, "{file}, line 2: expected NAME:PASSWORD, got something else"),
        ("ann:\n", 0o600, "{file}, line 1: expected NAME:PASSWORD, got something else"),
        ("# nobody\n", 0o600, "{file}: expected lines NAME:PASSWORD, found none: nobody could enter"),
    ],
    ids=["open", "no password", "an empty password", "nobody"],
)
def test_a_password_file_that_does_not_fit_is_an_error_without_a_password(
    tmp_path: Path, content: str, mode: int, message: str
):
    file = tmp_path / "passwords"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(AccessError) as raised:
        Access(password_file=file).check()
    assert str(raised.value) == message.format(file=file)


def test_half_a_certificate_and_files_that_are_none_are_errors(certificate: Certificate, passwords: Path):
    with pytest.raises(AccessError, match="expected both or neither, got one"):
        Access(certificate=certificate.file).check()
    with pytest.raises(AccessError, match="expected PEM files of a certificate and its private key: No such file"):
        Access(certificate=certificate.file.with_name("gone"), key=certificate.key).check()
    with pytest.raises(AccessError, match="expected PEM files of a certificate and its private key: "):
        Access(certificate=passwords, key=certificate.key).check()
    Access(certificate=certificate.file, key=certificate.key, password_file=passwords).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "lake.example"])
def test_the_network_is_let_in_by_tls_and_passwords_or_by_a_proxy_only(
    host: str, certificate: Certificate, passwords: Path
):
    tls: dict[str, Any] = {"certificate": certificate.file, "key": certificate.key}
    incompletes: list[dict[str, Any]] = [{}, tls, {"password_file": passwords}]
    for incomplete in incompletes:
        with pytest.raises(AccessError, match=f"--host {host} lets the network in"):
            Access(host, **incomplete).check()
    Access(host, **tls, password_file=passwords).check()
    Access(host, behind_proxy=True).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_loopback_may_be_open(host: str):
    Access(host).check()


def test_the_command_says_so_in_one_line_and_starts_nothing(tmp_path: Path):
    code = "import sys; sys.argv = ['umg', 'dev', '--host', '0.0.0.0']; from umg_assets.cli.main import main; main()"
    done = run_python(code, env={"UMG_HOME": str(tmp_path / "home")})
    assert done.returncode == 1
    assert done.stderr.startswith("umg: --host 0.0.0.0 lets the network in: expected --tls-cert")
    assert not (tmp_path / "home" / "dagster").exists()
