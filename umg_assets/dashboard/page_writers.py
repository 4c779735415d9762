"""Writes the pages of a site as files: one after the other, or where they are many, in a process for each processor."""

import multiprocessing
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from umg_assets.dashboard.file_names import FileLinks, file_of
from umg_assets.dashboard.page import FORMATS, NotThereError, Page
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.site import Route, Site
from umg_assets.dashboard.state import State

FEW = 200
"""So many pages are written sooner than further processes would have started."""
_AT_A_TIME = 20
Outcome = tuple[str, tuple[str, ...] | None]
"""The address of a page, and those of the pages that it links to; None where it has turned out not to be there."""


class PageWriters:
    """Writes pages of a site below a folder; to be used in a with statement, which ends the processes."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self._folder = site, folder
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "PageWriters":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def write(self, addresses: Sequence[str], missing: Collection[str] = ()) -> Iterator[Outcome]:
        """Writes pages with their downloads. missing: addresses that are not linked to. Yields what became of each."""
        if len(addresses) < FEW and self._pool is None:
            yield from write_pages(self._site, self._folder, addresses, missing)
            return
        pool = self._pool = self._pool or self._started()
        pieces = [addresses[at : at + _AT_A_TIME] for at in range(0, len(addresses), _AT_A_TIME)]
        for outcomes in pool.map(_write_in_worker, pieces, [missing] * len(pieces)):
            yield from outcomes

    def _started(self) -> ProcessPoolExecutor:
        served = self._site.served
        given = (served.home, served.folder, served.settings, served.pages, self._site.state, self._site.routes)
        return ProcessPoolExecutor(
            max_workers=min(8, os.cpu_count() or 1),
            mp_context=multiprocessing.get_context("spawn"),  # DuckDB's threads would not outlive a fork
            initializer=_open_in_worker,
            initargs=(*given, self._folder),
        )


def write_pages(site: Site, folder: Path, addresses: Iterable[str], missing: Collection[str]) -> Iterator[Outcome]:
    """Writes pages with their downloads, in this process."""
    for wanted in addresses:
        try:
            page = site.page(wanted)
        except NotThereError:
            yield wanted, None
            continue
        links = FileLinks(file_of(wanted), site.routes, missing)
        write_file(folder / file_of(wanted), site.html(page, wanted, links))
        for name, content in _downloads(page, wanted, site.served.csv_for_spreadsheets):
            write_file(folder / name, content)
        yield wanted, tuple(links.asked)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _downloads(page: Page, wanted: str, for_spreadsheets: bool) -> Iterator[tuple[str, bytes]]:
    more = "&" if "?" in wanted else "?"
    for sheet in page.sheets:
        for form in FORMATS:
            yield file_of(f"{wanted}{more}format={form}&table={sheet.name}"), sheet.to_bytes(form, for_spreadsheets)


_of_worker: dict[str, Any] = {}


def _open_in_worker(
    home: Path, set_folder: Path, settings: Any, pages: Any, state: State, routes: tuple[Route, ...], folder: Path
) -> None:
    served = Served(home, set_folder, settings)
    served.pages = pages
    _of_worker.update(site=Site(served, state, routes, Renderer(settings)), folder=folder)


def _write_in_worker(addresses: Sequence[str], missing: Collection[str]) -> list[Outcome]:
    return list(write_pages(_of_worker["site"], _of_worker["folder"], addresses, missing))
