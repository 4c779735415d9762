"""Looks out for a new published set: once it is indexed and its pages are rendered, it takes the old one's place."""

import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence

from umg_assets import clock
from umg_assets.dashboard.addresses import Links, address, chart_address
from umg_assets.dashboard.metrics import metrics
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Kept, NothingPublishedError, Served, SetBrokenError, published_now, set_id
from umg_assets.dashboard.site import HTML, Rendered, Route, Site
from umg_assets.dashboard.state import state_of
from umg_assets.settings.model import Settings
from umg_assets.tables import CRITERIA

LOOK_SECONDS = 1.0
MONTHS = 6
"""Charts of so many months are rendered before a set is shown."""
_log = logging.getLogger(__name__)
Answer = tuple[Rendered, str | None]
"""An answer, and the id of the set that all of it is of; None for one without a set."""


class Watch:
    """The site of the newest set.

    `look` compares what is published with what is shown; `start` does so every second in a thread. The first set is
    shown before its pages are rendered, so that the first page comes at once.
    """

    def __init__(self, settings: Settings, routes: Sequence[Route], links: Links) -> None:
        self._settings, self._routes, self._links = settings, routes, links
        self._renderer, self._kept = Renderer(settings.dashboard), Kept(settings.home)
        self._ended = threading.Event()
        self._failure = ""
        self._thread: threading.Thread | None = None
        self.site: Site | None = None
        self._before: Site | None = None

    @property
    def set_id(self) -> str | None:
        """The id of the set that is shown."""
        return self.site.served.id if self.site else None

    def metrics(self, version: str) -> str:
        """The state of the data for Prometheus, also before the first set. version: the release of umg."""
        return metrics(self._settings, version, clock.now())

    def kept(self, wanted: str) -> Answer | None:
        """The answer to an address, if it has been rendered."""
        site = self._site_of(wanted)
        rendered = site.kept(wanted) if site else None
        return (rendered, site.served.id) if site and rendered else None

    def answer(self, wanted: str) -> Answer:
        """The answer to an address: from the newest set, or from the one before it for a download that names it."""
        site = self._site_of(wanted)
        if site is None and self.site:
            text = "The page that this file belongs to is of a set that has been replaced: load the page again."
            return self._alone("Replaced", text, 410), None
        if site is None:
            return self._alone("Nothing to show yet", self._why_nothing(), 503), None
        try:
            return site.answer(wanted), site.served.id
        except SetBrokenError as error:
            return self._alone("Cannot be shown", str(error), 503), site.served.id

    def failed(self) -> Rendered:
        """The answer where a page cannot be made, for a reason that only the log names."""
        text = "This page could not be made. The reason is in the log of `umg dashboard`."
        return self._alone("Something went wrong", text, 500, ("State of the data", address("health")))

    def look(self) -> bool:
        """Shows the newest set, and the newest state of the data, if either is another than shown. Returns whether.

        Raises NothingPublishedError before the first set, and SetBrokenError for one that cannot be read: what is shown
        stays.
        """
        shown, site = self.site, self._newest()
        if site is shown:
            return False
        if shown is None:
            self.site = site
        site.prewarm(self._pages_first(site.served))
        if self._ended.is_set():
            return False
        if shown and shown.served.id != site.served.id:
            self._before = Site(shown.served, shown.state, self._routes, self._renderer, self._links)
        self.site = site
        return True

    def _site_of(self, wanted: str) -> Site | None:
        """The site that answers: of the set that a download names, else the newest; None where that is gone."""
        site = self.site
        named = re.search(r"[?&]set=([\w.-]+)", wanted)
        if site is None or not named or "format=" not in wanted:
            return site
        return next((one for one in (site, self._before) if one and one.served.id == named[1]), None)

    def _newest(self) -> Site:
        """A site of the newest set and state; the one that is shown, if it is that."""
        home, shown = self._settings.home, self.site
        try:
            folder = published_now(home)
        except NothingPublishedError:
            if shown:
                return shown
            raise
        is_shown = shown is not None and shown.served.id == set_id(home, folder)
        served = shown.served if shown and is_shown else Served(home, folder, self._settings.dashboard, self._kept)
        state = state_of(served, self._settings, clock.now())
        if shown and is_shown and shown.state == state:
            return shown
        return Site(served, state, self._routes, self._renderer, self._links)

    def start(self) -> threading.Thread:
        """Looks once now, then every LOOK_SECONDS in a thread until `end`. A look that fails is logged, and what is
        shown stays."""
        self._looked(self.show_first)
        self._thread = threading.Thread(target=self._watch, name="umg-dashboard-watch", daemon=True)
        self._thread.start()
        return self._thread

    def end(self) -> None:
        """Ends the thread, once the page that it renders is done: a process may not end in the middle of a query."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def show_first(self) -> None:
        """Shows the newest set at once, without rendering its pages first. Raises as `look` does."""
        self.site = self._newest()

    def _watch(self) -> None:
        if site := self.site:
            self._looked(lambda: site.prewarm(self._pages_first(site.served)))
        while not self._ended.wait(LOOK_SECONDS):
            self._looked(self.look)

    def _looked(self, look: Callable[[], object]) -> None:
        """Looks, and remembers and logs why that failed; the same reason once."""
        try:
            look()
            failure = ""
        except (NothingPublishedError, SetBrokenError) as error:
            failure = str(error)
            if failure != self._failure:
                _log.warning("%s", failure)
        except Exception as error:
            failure = f"The newest set could not be read ({type(error).__name__}): the log of `umg dashboard` says why."
            if failure != self._failure:
                _log.exception("a look for a new set failed; what is shown stays")
        self._failure = failure

    def _pages_first(self, served: Served) -> Iterator[str]:
        return itertools.takewhile(lambda _: not self._ended.is_set(), pages_first(served))

    def _why_nothing(self) -> str:
        if self._failure:
            return self._failure
        return "The first set is being read: load this page again."

    def _alone(self, heading: str, text: str, status: int, *choices: tuple[str, str]) -> Rendered:
        return Rendered.of(self._renderer.alone(heading, text, self._links, *choices), HTML, status)


def pages_first(served: Served) -> Iterator[str]:
    """Addresses worth rendering before anybody asks: the sections, then the newest months' charts."""
    yield from (address(), address("charts"), address("about"), address("health"), address("experiments"))
    yield from (address("plays"), address("artists"), address("favourites"))
    for place in range(1, MONTHS + 1):
        for market, months in served.months.items():
            if place > len(months):
                continue
            for criterion in CRITERIA:
                yield chart_address(market, months[-place], criterion)
