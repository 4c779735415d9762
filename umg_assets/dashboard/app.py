"""The web application: answers from the site of the newest set, with headers that keep a browser on its guard."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from umg_assets.dashboard.site import Rendered
from umg_assets.dashboard.static_files import TYPES, static_files
from umg_assets.dashboard.watch import Watch
from umg_assets.settings.groups import Dashboard


class App:
    """The dashboard over a watch.

    hosts: names (with or without a port) that the Host header may give; None for any, behind a proxy that checks them.
    """

    def __init__(self, watch: Watch, settings: Dashboard, hosts: frozenset[str] | None, version: str) -> None:
        self._watch, self._settings, self._hosts, self._version = watch, settings, hosts, version
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
        self.asgi = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET"])])

    async def _answer(self, request: Request) -> Response:
        if self._hosts is not None and not self._knows(request.headers.get("host", "")):
            return PlainTextResponse("Misdirected request: this host name is not served here.\n", 421)
        path = request.scope["raw_path"].decode("ascii", "replace").split("?")[0]
        if path == "/healthz":
            return PlainTextResponse("ok\n", headers=self._headers)
        if path == "/version":
            return JSONResponse({"version": self._version, "set": self._watch.set_id}, headers=self._headers)
        if path.startswith("/static/"):
            name = path.removeprefix("/static/")
            found = self._static.get(name)
            return self._response(request, found) if found else PlainTextResponse("Not there\n", 404)
        site = self._watch.site
        if site is None:
            rendered = self._watch.empty()
            return self._response(request, rendered)
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        rendered = site.kept(wanted)
        if rendered is None:
            rendered = await run_in_threadpool(site.answer, wanted)
        return self._response(request, rendered, {"x-umg-set": site.served.id})

    def _response(self, request: Request, rendered: Rendered, more: Mapping[str, str] | None = None) -> Response:
        headers: dict[str, Any] = {**self._headers, **(more or {}), "etag": f'"{rendered.tag}"'}
        if user := self._user(request):
            headers["x-umg-user"] = user
        if rendered.name:
            headers["content-disposition"] = f'attachment; filename="{rendered.name}"'
        if f'"{rendered.tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = rendered.body
        if "gzip" in request.headers.get("accept-encoding", "") and len(rendered.compressed) < len(body):
            body, headers["content-encoding"] = rendered.compressed, "gzip"
        return Response(body, rendered.status, headers, rendered.media_type)

    def _knows(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return bool(self._hosts) and (host.lower() in self._hosts or name.lower() in self._hosts)

    def _user(self, request: Request) -> str | None:
        header, client = self._settings.user_header, request.client
        if not header or client is None:
            return None
        try:
            is_proxy = ip_address(client.host) in self._settings.proxies
        except ValueError:
            return None
        return request.headers.get(header) if is_proxy else None
