"""A guard around an ASGI app: who does not know a name and its password gets no further."""

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


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
        origin = headers.get("origin")
        is_known = self._knows(headers.get("authorization", ""))
        if is_known and (origin is None or urlsplit(origin).netloc == headers.get("host")):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: a 403
        elif is_known:
            await PlainTextResponse("Requests of other sites are refused.\n", 403)(scope, receive, send)
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="umg", charset="UTF-8"'}
            await PlainTextResponse("Name and password, please.\n", 401, challenge)(scope, receive, send)

    def _knows(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        # compared for unknown names, too: how long it takes tells nobody which names there are
        right = hmac.compare_digest(self._passwords.get(name, "").encode(), password.encode())
        return scheme.lower() == "basic" and name in self._passwords and right
