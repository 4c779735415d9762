"""The pages of one published set: from an address to bytes, each rendered once and kept."""

import gzip
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from umg_assets.dashboard.addresses import Ask, Links, ServerLinks, address
from umg_assets.dashboard.page import FORMATS, NotThereError, Page
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.state import State

PageFunction = Callable[[Ask], Page]
_HTML = "text/html; charset=utf-8"
_KEPT_BYTES = 64 * 1024 * 1024


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


class Site:
    """The pages of a set. Threads may share it."""

    def __init__(
        self, served: Served, state: State, routes: Sequence[Route], renderer: Renderer, links: Links | None = None
    ) -> None:
        self.served, self.state, self.routes, self._renderer = served, state, tuple(routes), renderer
        self._links = links or ServerLinks()
        self._kept: OrderedDict[str, Rendered] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def kept(self, wanted: str) -> Rendered | None:
        """The page of an address, as asked for, if it has been rendered."""
        with self._lock:
            rendered = self._kept.get(wanted)
            if rendered:
                self._kept.move_to_end(wanted)
            return rendered

    def answer(self, wanted: str, links: Links | None = None) -> Rendered:
        """The page, or the download, of an address (path and query); an address without a page gets a 404 that says
        what there is. links: other than the site's; then nothing is kept."""
        if links is None and (rendered := self.kept(wanted)):
            return rendered
        route, _, query = self._found(wanted)
        rendered = self._made(wanted, query, links or self._links)
        if links is None and route and route.kept and rendered.status == 200:
            self._keep(wanted, rendered)
        return rendered

    def page(self, wanted: str) -> Page:
        """What the page of an address shows. Raises NotThereError for an address without one."""
        route, names, query = self._found(wanted)
        if route is None:
            raise NotThereError(f"There is no page {urlsplit(wanted).path}.", [("Overview", address())])
        return route.function(Ask(self.served, self.state, names, query))

    def html(self, page: Page, here: str | None, links: Links) -> bytes:
        """A page as HTML. here: its address; None for what has none."""
        return self._renderer.page(self.served, page, here, links, self.state)

    def prewarm(self, addresses: Iterable[str]) -> None:
        """Renders pages before anybody asks for them, until three quarters of the room are taken."""
        for wanted in addresses:
            if self._bytes > 0.75 * _KEPT_BYTES:
                return
            self.answer(wanted)

    def _found(self, wanted: str) -> tuple[Route | None, dict[str, str], dict[str, str]]:
        parts = urlsplit(wanted)
        given = dict(parse_qsl(parts.query))
        for route in self.routes:
            names = route.match(parts.path)
            if names is not None:
                return route, names, {name: given[name] for name in (*route.query, "format", "table") if name in given}
        return None, {}, {}

    def _made(self, wanted: str, query: Mapping[str, str], links: Links) -> Rendered:
        form = query.get("format")
        try:
            page = self.page(wanted)
            if form:
                return self._download(page, form, query.get("table"))
        except NotThereError as error:
            if form:
                body = json.dumps({"error": str(error)}, ensure_ascii=False).encode()
                return Rendered.of(body, FORMATS["json"], 404)
            page = Page("not_there.html", "Not there", {"message": str(error), "choices": error.choices})
            return Rendered.of(self.html(page, None, links), _HTML, 404)
        here = {name: value for name, value in query.items() if name not in ("format", "table")}
        path = [part for part in urlsplit(wanted).path.split("/") if part]
        place = address(*(unquote(part) for part in path), **here)
        return Rendered.of(self.html(page, place, links), _HTML)

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
        return Rendered.of(sheet.to_bytes(form), FORMATS[form], name=f"{_file_name(page.title)}-{sheet.name}.{form}")

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
