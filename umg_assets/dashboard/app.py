"""The web application: answers from the site of the newest set, with headers that keep a browser on its guard."""

import logging
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from umg_assets.dashboard.callers import Hosts, user_of
from umg_assets.dashboard.metrics import MEDIA_TYPE
from umg_assets.dashboard.rendering import USER_PLACE
from umg_assets.dashboard.site import Rendered
from umg_assets.dashboard.static_files import TYPES, static_files
from umg_assets.dashboard.watch import Watch
from umg_assets.settings.groups import Dashboard

LONGEST = 4_096
"""Bytes of an address; a longer one is no page's."""
_log = logging.getLogger(__name__)


class App:
    """The dashboard over a watch, as an ASGI app.

    hosts: names that the Host header may give; None for any, behind a proxy that checks them. prefix: what a proxy puts
    before every path; requests are answered with it and without it, for some proxies cut it off and some do not.
    """

    def __init__(
        self, watch: Watch, settings: Dashboard, hosts: frozenset[str] | None, version: str, prefix: str = ""
    ) -> None:
        self._watch, self._settings, self._version, self._prefix = watch, settings, version, prefix
        self._hosts = Hosts(hosts)
        self._static = {
            name: Rendered.of(content, TYPES[Path(name).suffix]) for name, content in static_files().items()
        }
        ancestors = " ".join(settings.frame_ancestors) or "'none'"
        self._headers = {
            "content-security-policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
                f"base-uri 'none'; frame-ancestors {ancestors}"
            ),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cache-control": "no-cache",
            "vary": "accept-encoding",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (the ASGI protocol). What goes wrong is logged with its address, and told to nobody."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        try:
            response = await self._answer(request)
        except Exception:
            _log.exception("%s failed", _wanted(request))
            response = self._response(request, self._watch.failed())
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        wanted = self._without_prefix(_wanted(request))
        path = wanted.split("?")[0]
        if path == "/healthz":
            return self._words("ok")
        if path == "/version":
            return JSONResponse({"version": self._version, "set": self._watch.set_id}, headers=self._headers)
        if path == "/metrics":
            text = await run_in_threadpool(self._watch.metrics, self._version)
            return Response(text, headers=self._headers, media_type=MEDIA_TYPE)
        if path.startswith("/static/"):
            found = self._static.get(path.removeprefix("/static/"))
            return self._response(request, found) if found else self._words("Not there", 404)
        rendered, set_id = self._watch.kept(wanted) or await run_in_threadpool(self._watch.answer, wanted)
        return self._response(request, rendered, {"x-umg-set": set_id} if set_id else {})

    def _refusal(self, request: Request) -> Response | None:
        names = request.headers.getlist("host")
        if len(names) != 1:
            return self._words("Expected one Host header.", 400)
        if not self._hosts.know(names[0]):
            return self._words("This host name is not served here: umg dashboard --name NAME adds one.", 421)
        if request.method not in ("GET", "HEAD"):
            response = self._words("Expected GET or HEAD: nothing can be changed here.", 405)
            response.headers["allow"] = "GET, HEAD"
            return response
        if len(_wanted(request)) > LONGEST:
            return self._words(f"Expected an address of {LONGEST} characters at most.", 414)
        return None

    def _words(self, text: str, status: int = 200) -> Response:
        return PlainTextResponse(f"{text}\n", status, self._headers)

    def _without_prefix(self, wanted: str) -> str:
        rest = wanted.removeprefix(self._prefix)
        if not self._prefix or rest == wanted or rest[:1] not in ("", "/", "?"):
            return wanted
        return rest if rest.startswith("/") else f"/{rest}"

    def _response(self, request: Request, rendered: Rendered, more: Mapping[str, str] | None = None) -> Response:
        headers: dict[str, Any] = {**self._headers, **(more or {})}
        body, compressed, tag = rendered.body, rendered.compressed, rendered.tag
        if USER_PLACE in body:
            header = self._settings.user_header
            if header:
                headers |= {"cache-control": "private, no-cache", "vary": f"accept-encoding, {header.lower()}"}
            if user := user_of(request, self._settings):
                # put in now: a page that is kept is everybody's
                shown = f'<p class="user">Signed in as <b>{escape(user)}</b></p>'.encode()
                signed_in = Rendered.of(body.replace(USER_PLACE, shown, 1), rendered.media_type)
                body, compressed, tag = signed_in.body, signed_in.compressed, signed_in.tag
        # weak: the compressed bytes have it, too
        headers["etag"] = f'W/"{tag}"'
        if rendered.name:
            headers["content-disposition"] = f'attachment; filename="{rendered.name}"'
        if rendered.status == 200 and _is_named(tag, request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        if _takes_gzip(request.headers.get("accept-encoding", "")) and len(compressed) < len(body):
            body, headers["content-encoding"] = compressed, "gzip"
        return Response(body, rendered.status, headers, rendered.media_type)


def _wanted(request: Request) -> str:
    """Path and query of a request, as they came, not decoded."""
    scope = request.scope
    path, query = scope["raw_path"], scope["query_string"]
    # some servers leave the query in raw_path
    return b"?".join([path.split(b"?")[0], *([query] if query else [])]).decode("ascii", "replace")


def _is_named(tag: str, if_none_match: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return bool(known & {f'"{tag}"', "*"})


def _takes_gzip(accept_encoding: str) -> bool:
    for one in accept_encoding.lower().split(","):
        name, _, weight = one.replace(" ", "").partition(";q=")
        if name == "gzip":
            return not re.fullmatch(r"0(\.0*)?", weight)
    return False
