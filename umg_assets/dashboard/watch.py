"""Looks out for a new published set: once it is indexed and its pages are rendered, it takes the old one's place."""

import logging
import threading
from collections.abc import Iterator, Sequence

from umg_assets import clock
from umg_assets.dashboard.addresses import Links, address
from umg_assets.dashboard.figures import month_text
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import NothingPublishedError, Served, set_id
from umg_assets.dashboard.site import Rendered, Route, Site
from umg_assets.dashboard.state import state_of
from umg_assets.dashboard.sums import FileSums
from umg_assets.resources.published import current_set
from umg_assets.settings.model import Settings
from umg_assets.tables import CRITERIA

LOOK_SECONDS = 1.0
MONTHS = 6
"""Charts of so many months are rendered before a set is shown."""
_log = logging.getLogger(__name__)


class Watch:
    """The site of the newest set.

    `look` compares what is published with what is shown; `start` does so every second in a thread. The first set is
    shown before its pages are rendered, so that the first page comes at once.
    """

    def __init__(self, settings: Settings, routes: Sequence[Route], links: Links) -> None:
        self._settings, self._routes, self._links = settings, routes, links
        self._renderer, self._sums = Renderer(settings.dashboard), FileSums()
        self._ended = threading.Event()
        self.site: Site | None = None

    @property
    def set_id(self) -> str | None:
        """The id of the set that is shown."""
        return self.site.served.id if self.site else None

    def look(self) -> bool:
        """Shows the newest set, and the newest state of the data, if either is another than shown. Returns whether."""
        site = self._newest()
        if site is None or site is self.site:
            return False
        if self.site is None:
            self.site = site
        site.prewarm(pages_first(site.served))
        self.site = site
        return True

    def _newest(self) -> Site | None:
        """A site of the newest set and state; the one that is shown, if it is that; None before the first set."""
        home, shown = self._settings.home, self.site
        folder = current_set(home)
        if folder is None:
            return shown
        is_shown = shown is not None and shown.served.id == set_id(home, folder)
        served = shown.served if shown and is_shown else Served(home, folder, self._settings.dashboard, self._sums)
        state = state_of(served, self._settings, clock.now())
        if shown and is_shown and shown.state == state:
            return shown
        return Site(served, state, self._routes, self._renderer, self._links)

    def start(self) -> threading.Thread:
        """Looks once now, then every LOOK_SECONDS in a thread until `end`. A look that fails is logged, and what is
        shown stays."""
        self.site = self._newest()
        thread = threading.Thread(target=self._watch, name="umg-dashboard-watch", daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Ends the thread."""
        self._ended.set()

    def empty(self) -> Rendered:
        """What is answered before the first set: what to type."""
        try:
            Served.newest(self._settings.home, self._settings.dashboard)
            text = "The first set is being read: load this page again."
        except NothingPublishedError as error:
            text = str(error)
        return Rendered.of(self._renderer.alone("empty.html", text, self._links), "text/html; charset=utf-8", 503)

    def _watch(self) -> None:
        if self.site:
            self.site.prewarm(pages_first(self.site.served))
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                _log.exception("a look for a new set failed; the old one stays")


def pages_first(served: Served) -> Iterator[str]:
    """Addresses worth rendering before anybody asks: the sections, then the newest months' charts."""
    yield from (address(), address("charts"), address("about"), address("health"), address("experiments"))
    yield from (address("plays"), address("artists"), address("favourites"))
    for place in range(1, MONTHS + 1):
        for market, months in served.months.items():
            if place > len(months):
                continue
            for criterion in CRITERIA:
                by = None if criterion == "plays" else criterion
                yield address("charts", market, month_text(months[-place]), by=by)
