"""Readers of the charts, who do not know that anything is going on: whatever they read is whole, at any moment."""

import json
import random
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import deltalake
import pyarrow.csv
import pyarrow.dataset

from soak.journal import Journal
from soak.service import Service, umg
from umg_assets import tables
from umg_assets_tests.dashboard.crawling import crawled
from umg_assets_tests.dashboard.serving import Answer, sent

_TYPED = (
    ("top-tracks", "--market", "AT"),
    ("movements", "--market", "DE"),
    ("top-artists", "--genre", "Pop"),
    ("favourites", "--age-group", "25-34"),
    ("plays",),
    ("growth",),
)
_PAGES = 25


class Reader:
    """Reads the published set by delta-rs, as files, by `umg chart`, and as pages of the dashboard."""

    def __init__(self, home: Path, service: Service, seed: int, journal: Journal) -> None:
        self._home, self._service, self._journal = home, service, journal
        self._random = random.Random(f"reader {seed}")
        self._pages, self._pages_of = ["/"], Path()

    def read(self) -> None:
        """Reads in each way once. Nothing is published before the first exports."""
        if not self._current.exists():
            return
        self._in_one_set(self._read_tables, "tables")
        self._in_one_set(self._read_files, "files")
        self._in_one_set(self._type_umg_chart, "umg chart")
        self._in_one_set(self._open_pages, "pages")

    @property
    def _current(self) -> Path:
        return self._home / "exports" / "current"

    def _in_one_set(self, read: Callable[[Path], int], what: str) -> None:
        """Reads; what goes wrong is a fault, unless another set was published meanwhile: readers open that one then."""
        before = self._current.resolve()
        try:
            if read(before):
                self._journal.counts["read", what] += 1
        except Exception as error:
            if self._current.resolve() == before:
                self._journal.fault(f"{what} of {before.name} cannot be read: {type(error).__name__}: {error}")

    def _read_tables(self, current: Path) -> int:
        """Every table of the set, at the version that it names."""
        versions = json.loads((current / "manifest.json").read_text())["versions"]
        for table in tables.PUBLISHED:
            path = self._home / "tables" / table.name
            deltalake.DeltaTable(path, version=versions[table.name]).to_pyarrow_table()
        return len(versions)

    def _read_files(self, current: Path) -> int:
        """Every CSV and Parquet file: as many rows in both, and as the manifest says."""
        manifest = json.loads((current / "manifest.json").read_text())
        files = list(current.glob("*.csv"))
        for file in files:
            said, rows = manifest[f"rows_{file.stem}"], pyarrow.csv.read_csv(file).num_rows
            parquet = file.with_suffix("")
            columns = pyarrow.dataset.dataset(parquet).count_rows() if parquet.is_dir() else 0
            if {said, rows} != {columns or said}:
                raise ValueError(f"{file.name}: {said} rows in the manifest, {rows} in CSV, {columns} in Parquet")
        return len(files)

    def _type_umg_chart(self, current: Path) -> int:
        words = self._random.choice(_TYPED)
        done = umg(self._home, "chart", *words)
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            raise ValueError(f"`umg chart {' '.join(words)}` ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.returncode == 0

    def _open_pages(self, current: Path) -> int:
        """Pages from one of this set on that was found before. While the service starts, nobody answers."""
        if self._pages_of != current:
            self._pages, self._pages_of = ["/"], current

        def ask(target: str) -> Answer:
            return sent(self._service.dashboard_port, target)

        try:
            found = crawled(ask, _PAGES, self._random.choice(self._pages))
        except (OSError, HTTPException):
            return 0
        # the dashboard showed another set still, when it was asked first
        here = current.name.removeprefix("set-")
        of_set = {target: answer for target, answer in found.items() if "set=" not in target or here in target}
        bad = {target: answer.status for target, answer in of_set.items() if answer.status >= 400}
        self._pages = [*self._pages, *(target for target in of_set if target not in bad)][-500:]
        if bad:
            raise ValueError(f"the dashboard answers {bad}")
        return len(found)
