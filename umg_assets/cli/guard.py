"""Guards around an ASGI app: who does not know a name and its password, and what other sites make a browser send, gets
no further."""

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umg_assets.dashboard.callers import Hosts

_NOT_FRAMED = {"Content-Security-Policy": "frame-ancestors 'none'"}
_OWN = ("same-origin", "none")


class Guard:
    """Passes on what carries a known name and password (HTTP Basic, RFC 7617); else 401, or 403 for a websocket.

    A browser sends the password along with what other sites make it send, so what names another site as its origin is
    refused, too: 403.
    """

    def __init__(self, app: ASGIApp, passwords: dict[str, str]) -> None:
        self._app, self._passwords = app, passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection (the ASGI protocol)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_known = self._knows(headers.get("authorization", ""))
        if is_known and _is_own(headers):
            await self._app(scope, receive, send)
        elif is_known or scope["type"] == "websocket":
            await _refuse("Requests of other sites are refused.", 403)(scope, receive, send)
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="umg", charset="UTF-8"'}
            await _refuse("Name and password, please.", 401, challenge)(scope, receive, send)

    def _knows(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        # compared for unknown names, too: how long it takes tells nobody which names there are
        right = hmac.compare_digest(self._passwords.get(name, "").encode(), password.encode())
        return scheme.lower() == "basic" and name in self._passwords and right


class SameSite:
    """Passes on to Dagster's webserver what its own pages send, and programs; refuses what other sites can make a
    browser send: 403, or 421 for a host name that is not served here (another site's name can lead to this machine).

    Whatever may change something is a POST of JSON, which a browser sends to another site only if that allows it: no
    form, no text, and no GET of /graphql, by which Dagster would execute a mutation. A websocket names its origin.
    Nobody may show an answer in a frame. hosts: names that the Host header may give; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, Hosts(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection (the ASGI protocol)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in _NOT_FRAMED.items():  # beside a policy that is there: a browser keeps to both
                    MutableHeaders(scope=message).append(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_unframed)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        names = headers.getlist("host")
        if len(names) != 1 or not self._hosts.know(names[0]):
            return _refuse("This host name is not served here: umg dev --name NAME adds one.", 421)
        if not _is_own(headers) or (scope["type"] == "websocket" and "origin" not in headers):
            return _refuse("Requests of other sites are refused.", 403)
        if scope["type"] == "websocket" or (scope["method"] in ("GET", "HEAD") and not _is_graphql(scope["path"])):
            return None
        if scope["method"] != "POST":
            return _refuse("Expected a POST.", 405, {"Allow": "POST"})
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refuse("Expected Content-Type: application/json.", 415)
        if headers.get("sec-fetch-site", "none") not in _OWN:
            return _refuse("Requests of other sites are refused.", 403)
        return None


def _is_own(headers: Headers) -> bool:
    """Whether a request does not name another site as its origin; programs, and a browser's links, name none."""
    origins = headers.getlist("origin")
    return not origins or [urlsplit(origin).netloc for origin in origins] == [headers.get("host")]


def _is_graphql(path: str) -> bool:
    return path.strip("/").split("/")[0].lower() == "graphql"


def _refuse(text: str, status: int, more: dict[str, str] | None = None) -> ASGIApp:
    """An app that answers with a sentence; a websocket it closes before it is accepted, which is a 403."""
    response = PlainTextResponse(f"{text}\n", status, {**_NOT_FRAMED, **(more or {})})

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await response(scope, receive, send)

    return refuse
