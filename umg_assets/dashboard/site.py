"""The pages of one published set: from an address to bytes, each rendered once and kept."""

import gzip
import hashlib
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, unquote

from umg_assets.dashboard.addresses import Ask, Links, ServerLinks, address
from umg_assets.dashboard.page import FORMATS, NotThereError, Page
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served, SetBrokenError
from umg_assets.dashboard.state import State

PageFunction = Callable[[Ask], Page]
HTML = "text/html; charset=utf-8"
_KEPT_BYTES = 64 * 1024 * 1024
_DOWNLOAD = ("format", "table")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """Addresses of a kind of page.

    pattern: the path, with {names}. function: makes the page. query: the names that its query may hold. kept: whether
    it is worth keeping: not what people type.
    """

    pattern: str
    function: PageFunction
    query: tuple[str, ...] = ()
    kept: bool = True

    def match(self, path: str) -> dict[str, str] | None:
        """The names in a path, decoded; None if it is another kind's."""
        found = self._expression.fullmatch(path)
        return {name: unquote(text) for name, text in found.groupdict().items()} if found else None

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.pattern))


@dataclass(frozen=True)
class Rendered:
    """An answer: status, media type, body, the same compressed by gzip, and a tag that changes with the body.

    name: of the file, for a download.
    """

    status: int
    media_type: str
    body: bytes
    compressed: bytes
    tag: str
    name: str | None = None

    @classmethod
    def of(cls, body: bytes, media_type: str, status: int = 200, name: str | None = None) -> "Rendered":
        """An answer with its compressed body and its tag."""
        compressed = gzip.compress(body, 5, mtime=0)
        return cls(status, media_type, body, compressed, hashlib.sha256(body).hexdigest()[:20], name)


@dataclass(frozen=True)
class _Found:
    """What an address asks for: its route (None: there is none), the names in its path, and of its query what the route
    knows. path: without a slash at its end."""

    route: Route | None
    path: str
    names: Mapping[str, str]
    query: Mapping[str, str]

    def address(self, *without: str) -> str:
        """The one address of what is asked for: whatever else a query held is left out, and so are these names."""
        parts = [unquote(part) for part in self.path.split("/") if part]
        return address(*parts, **{name: value for name, value in self.query.items() if name not in without})


class Site:
    """The pages of a set, each kept under its one address. Threads may share it."""

    def __init__(
        self, served: Served, state: State, routes: Sequence[Route], renderer: Renderer, links: Links | None = None
    ) -> None:
        self.served, self.state, self.routes, self._renderer = served, state, tuple(routes), renderer
        self._links = links or ServerLinks()
        self._kept: OrderedDict[str, Rendered] = OrderedDict()
        self._bytes = 0
        self._lock, self._making = Lock(), [Lock() for _ in range(64)]

    def kept(self, wanted: str) -> Rendered | None:
        """The page of an address, as asked for, if it has been rendered."""
        if rendered := self._kept_at(wanted):
            return rendered
        found = self._found(wanted)
        return self._kept_at(found.address()) if found.route else None

    def answer(self, wanted: str, links: Links | None = None) -> Rendered:
        """The page, or the download, of an address (path and query); an address without a page gets a 404 that says
        what there is. links: other than the site's; then nothing is kept."""
        found = self._found(wanted)
        if links or found.route is None or not found.route.kept:
            return self._made(found, links or self._links)
        place = found.address()
        if rendered := self._kept_at(place):
            return rendered
        with self._making[hash(place) % len(self._making)]:  # who asks for a page while it is made waits for it
            rendered = self._kept_at(place) or self._made(found, self._links)
            if rendered.status == 200:
                self._keep(place, rendered)
        return rendered

    def page(self, wanted: str) -> Page:
        """What the page of an address shows. Raises NotThereError for an address without one."""
        return self._page(self._found(wanted))

    def html(self, page: Page, here: str | None, links: Links) -> bytes:
        """A page as HTML. here: its address; None for what has none."""
        return self._renderer.page(self.served, page, here, links, self.state)

    def prewarm(self, addresses: Iterable[str]) -> None:
        """Renders pages before anybody asks for them, until three quarters of the room are taken.

        A page that cannot be made is logged. Raises SetBrokenError.
        """
        for wanted in addresses:
            if self._bytes > 0.75 * _KEPT_BYTES:
                return
            try:
                self.answer(wanted)
            except SetBrokenError:
                raise
            except Exception:
                _log.exception("%s failed", wanted)

    def _kept_at(self, place: str) -> Rendered | None:
        with self._lock:
            rendered = self._kept.get(place)
            if rendered:
                self._kept.move_to_end(place)
            return rendered

    def _found(self, wanted: str) -> _Found:
        path, _, query = wanted.partition("?")
        path = path.rstrip("/") or "/"
        given = dict(parse_qsl(query))
        for route in self.routes:
            names = route.match(path)
            if names is not None:
                known = (*route.query, *_DOWNLOAD)
                return _Found(route, path, names, {name: given[name] for name in known if name in given})
        return _Found(None, path, {}, {})

    def _page(self, found: _Found) -> Page:
        if found.route is None:
            raise NotThereError(f"There is no page {found.path}.", [("Overview", address())])
        return found.route.function(Ask(self.served, self.state, found.names, found.query))

    def _made(self, found: _Found, links: Links) -> Rendered:
        form = found.query.get("format")
        try:
            page = self._page(found)
            if form:
                return self._download(page, form, found.query.get("table"))
        except NotThereError as error:
            if form:
                body = json.dumps({"error": str(error)}, ensure_ascii=False).encode()
                return Rendered.of(body, FORMATS["json"], 404)
            page = Page("not_there.html", "Not there", {"message": str(error), "choices": error.choices})
            return Rendered.of(self.html(page, None, links), HTML, 404)
        return Rendered.of(self.html(page, found.address(*_DOWNLOAD), links), HTML)

    def _download(self, page: Page, form: str, table: str | None) -> Rendered:
        sheets = {sheet.name: sheet for sheet in page.sheets}
        if form not in FORMATS or (table or next(iter(sheets), "")) not in sheets:
            forms = f"format is one of {', '.join(FORMATS)}" if sheets else "this page has no table"
            raise NotThereError(f"There is no such download: {forms}; table is one of {', '.join(sheets)}.")
        if form == "json" and table is None:
            content = {
                "set": self.served.id,
                "complete_through": self.served.complete_through.isoformat(),
                **{name: sheet.records() for name, sheet in sheets.items()},
            }
            return Rendered.of(_json(content), FORMATS[form], name=f"{_file_name(page.title)}.json")
        sheet = sheets[table or next(iter(sheets))]
        content = sheet.to_bytes(form, self.served.csv_for_spreadsheets)
        return Rendered.of(content, FORMATS[form], name=f"{_file_name(page.title)}-{sheet.name}.{form}")

    def _keep(self, wanted: str, rendered: Rendered) -> None:
        with self._lock:
            if wanted in self._kept:
                return
            self._kept[wanted] = rendered
            self._bytes += len(rendered.body) + len(rendered.compressed)
            while self._bytes > _KEPT_BYTES:
                _, old = self._kept.popitem(last=False)
                self._bytes -= len(old.body) + len(old.compressed)


def _file_name(title: str) -> str:
    """A title as the beginning of a file's name: a header holds no other letters than ASCII's."""
    return re.sub(r"\W+", "_", title.lower(), flags=re.ASCII).strip("_")[:80] or "page"


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
