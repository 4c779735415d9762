"""The dashboard under test as it is served: a real server in a thread, asked over a socket."""

import gzip
import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from umg_assets.cli.access import LOOPBACK_NAMES
from umg_assets.dashboard.addresses import ServerLinks
from umg_assets.dashboard.app import App
from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.watch import Watch
from umg_assets.settings.model import Settings
from umg_assets_tests.web import listening


@dataclass(frozen=True)
class Answer:
    """What a server answered: status, headers by lower-case name, and the body, uncompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Server:
    """A server on the loopback. watch: of its dashboard."""

    def __init__(self, port: int, watch: Watch) -> None:
        self.port, self.watch = port, watch
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, target: str, method: str = "GET", /, **headers: str) -> Answer:
        """The answer to a request target, sent as it is; headers: `if_none_match` is If-None-Match."""
        return self.send(target, method, {name.replace("_", "-"): value for name, value in headers.items()}.items())

    def send(self, target: str, method: str, headers: Any, host: bool = True) -> Answer:
        """As `ask`, with (name, value) headers as they are, and Host only if wanted."""
        return sent(self.port, target, method, headers, host)


def sent(port: int, target: str, method: str = "GET", headers: Any = (), host: bool = True) -> Answer:
    """The answer of the server at a port to a request target, sent as it is.

    headers: (name, value) pairs as they are, and Host only if wanted. Raises OSError or HTTPException where nobody
    answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = list(headers)
    try:
        has_host = not host or any(name.lower() == "host" for name, _ in headers)
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]
        connection.putrequest(method, target, skip_host=has_host, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.encode() if isinstance(value, str) else value)
        connection.endheaders()
        got = connection.getresponse()
        body = got.read()
        given = {name.lower(): value for name, value in got.getheaders()}
    finally:
        connection.close()
    return Answer(
        got.status, given, gzip.decompress(body) if given.get("content-encoding") == "gzip" and body else body
    )


@contextmanager
def served(
    settings: Settings, prefix: str = "", hosts: frozenset[str] | None = frozenset(LOOPBACK_NAMES)
) -> Iterator[Server]:
    """The dashboard over a home, as `umg dashboard` serves it; its watch looks only when the test says so."""
    watch = Watch(settings, ROUTES, ServerLinks(prefix))
    application = App(watch, settings.dashboard, hosts, "1", prefix)
    with listening(application, proxy_headers=False, ws="none", lifespan="off") as port:
        yield Server(port, watch)
