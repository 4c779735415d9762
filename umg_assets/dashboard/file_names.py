"""The files of a snapshot: a safe name for every address, and links between them.

A name holds lower-case letters, digits, `_`, `-` and `.` only, is short, and no two differ by case alone: it is right
on every file system, in a zip, and in a URL without quoting. What else a track or a genre is called gets a hash.
"""

import functools
import hashlib
import posixpath
import re
from collections.abc import Collection
from urllib.parse import parse_qsl, unquote, urlsplit

from umg_assets.dashboard.site import Route

QUERY = {"charts": {"by"}, "artists": {"market"}, "favourites": {"age_group"}}
"""By section, what the query of a page in a snapshot may name. Other pages (another day, a search, two markets side by
side, a track's ranks by another criterion) are a server's: they would be many times as many."""
STATIC = "static"
_SAFE = re.compile(r"[a-z0-9_-]{1,60}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")
_MARKET = re.compile(r"[A-Z]{2}")


@functools.lru_cache(65_536)
def file_of(address: str) -> str:
    """The file of a page or a download, below the snapshot's folder: `charts/at/2026-10.by-streams.html`."""
    parts = urlsplit(address)
    path = [unquote(part) for part in parts.path.split("/") if part]
    names = [_market(part) if path[0] == "charts" and place == 1 else safe(part) for place, part in enumerate(path)]
    query = dict(parse_qsl(parts.query))
    form, table = query.pop("format", "html"), query.pop("table", None)
    more = [f"{name}-{_market(value) if name == 'market' else safe(value)}" for name, value in sorted(query.items())]
    stem = "/".join(names) or "index"
    return ".".join([stem, *more, *([safe(table)] if table else []), form])


def safe(name: str) -> str:
    """A name for a file: as it is where that is safe, else its letters and a hash of it."""
    if _SAFE.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    letters = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:40]
    return f"{letters}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}".strip("-")


def _market(code: str) -> str:
    return code.lower() if _MARKET.fullmatch(code) else safe(code)


@functools.lru_cache(65_536)
def may_hold(address: str, routes: tuple[Route, ...]) -> bool:
    """Whether a snapshot has room for an address: of a page that is worth keeping, with what QUERY allows."""
    parts = urlsplit(address)
    names = dict(parse_qsl(parts.query)).keys() - {"format", "table"}
    kept = any(route.kept and route.match(parts.path) is not None for route in routes)
    return kept and names <= QUERY.get(parts.path.split("/")[1], set())


class FileLinks:
    """Links of one page of a snapshot to its other files, relative.

    here: the page's file. missing: addresses that turned out to have no page. asked: the addresses of pages that it
    has linked to.
    """

    def __init__(self, here: str, routes: tuple[Route, ...], missing: Collection[str] = ()) -> None:
        self._folder, self._routes, self._missing = posixpath.dirname(here), routes, missing
        self.asked: dict[str, None] = {}

    def to(self, address: str) -> str | None:
        """The link to a page, or to a download, of the snapshot; None where it does not have it."""
        if not may_hold(address, self._routes) or address in self._missing:
            return None
        if "format" not in dict(parse_qsl(urlsplit(address).query)):
            self.asked[address] = None
        return self._relative(file_of(address))

    def static(self, name: str) -> str:
        """The link to a file of static/."""
        return self._relative(f"{STATIC}/{name}")

    def _relative(self, file: str) -> str:
        return posixpath.relpath(file, self._folder or ".")
