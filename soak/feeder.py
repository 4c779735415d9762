"""The exporter of the soak: files of every kind that arrive, change, shrink, correct others, break, and leave again.

Whatever it does, the files that lie in landing/ at the end say what the tables must be. So of one delivery day each
play stands in one file (docs/rules.md, rule 4), a folder that is one delivery never loses its last file, and what is
broken is delivered again in the end.
"""

import gzip
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from soak.journal import Journal
from soak.service import umg
from soak.settable_clock import Clock
from umg_assets.landing.scan import scan
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, TRACK_COLUMNS, USER_COLUMNS, Lake, csv_text

FOLDERS = SOURCES.replace("plays/*.csv*", "plays/dt=*/*.csv*").replace(
    "delivered_on = '(", "folder_is_delivery = true\ndelivered_on = 'dt=(", 1
)
"""The sources of an exporter that delivers each day's plays as a folder."""
USERS, TRACKS, GENRES, MARKETS = 30, 40, ("Pop", "Rock", "Jazz"), ("AT", "DE")
LATE_DAYS = 20
"""How far back late plays and corrections reach; so long is the history before the first day of delivery, too."""


@dataclass
class PlaysFile:
    """A file of plays as it should be. broken: what lies in its place is no such file."""

    path: str
    delivered_on: date
    rows: list[tuple]
    broken: bool = False
    ids: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = {row[0] for row in self.rows}


class Feeder:
    """Feeds a lake from a clock's today on. incoming: a folder on the disk of landing/, in which files are written."""

    def __init__(self, lake: Lake, incoming: Path, clock: Clock, seed: int, journal: Journal) -> None:
        self._lake, self._incoming, self._clock, self._journal = lake, incoming, clock, journal
        self._random, self._number, self._files = random.Random(f"feeder {seed}"), 0, dict[str, PlaysFile]()
        self._dimensions: dict[str, str] = {}
        self._next = list[Callable[[], None]]()
        self._lock = threading.Lock()
        incoming.mkdir()

    def begin(self, days: int) -> None:
        """Users, tracks, and a file of plays for each day up to today."""
        self._users()
        self._tracks()
        for back in range(days, -1, -1):
            self._new(self._clock.today - timedelta(days=back))

    def feed(self) -> None:
        """Does one thing that exporters do. A full disk is one of them: then what was to come stays away."""
        acts = {
            self._drop: 6,
            self._change: 3,
            self._shrink: 1,
            self._correct: 3,
            self._withdraw: 2,
            self._break: 1,
            self._mend: 2,
            self._write_slowly: 1,
            self._users: 1,
            self._tracks: 1,
        }
        with self._lock:
            self._next = self._next or self._random.sample(list(acts), sum(acts.values()), counts=list(acts.values()))
            act = self._next.pop()
            try:
                act()
            except OSError as error:
                self._journal.note("fed", "nothing", f"{act.__name__.strip('_')}: {error.strerror}")

    def accept(self) -> None:
        """Types `umg accept` for what is held, as an engineer does who has asked the exporter."""
        for file, _ in scan(self._lake.settings, Ledger(self._lake.home).read()).held:
            done = umg(self._lake.home, "accept", file.path)
            self._journal.note("accepted" if done.returncode == 0 else "not accepted", "a file or folder", file.path)

    def finish(self) -> None:
        """Delivers again what is broken. Then every file in landing/ is as it should be."""
        with self._lock:
            for file in list(self._files.values()):
                if file.broken:
                    self._deliver(file, "mended")
            for path, text in self._dimensions.items():
                self._put(path, text.encode())

    def _drop(self) -> None:
        self._new(self._some_day(2))

    def _new(self, delivered_on: date) -> None:
        """A part of a day's delivery: mostly its own plays, some late ones, some bad records."""
        rows = [self._play(self._late(delivered_on)) for _ in range(self._random.randint(2, 12))]
        rows += [("bad", "u1", "", "t1", "yesterday", 1, "AT")] * self._random.choice([0, 0, 1])
        self._deliver(PlaysFile(self._new_path(delivered_on), delivered_on, rows), "dropped")

    def _change(self) -> None:
        if file := self._some_file():
            rows = [self._played_otherwise(row) if self._random.random() < 0.3 else row for row in file.rows]
            self._deliver(replace(file, rows=rows, broken=False), "changed")

    def _shrink(self) -> None:
        if file := self._some_file(lambda file: len(file.rows) > 4):
            self._deliver(replace(file, rows=file.rows[:2], broken=False), "shrunk")

    def _correct(self) -> None:
        """Some plays of an earlier delivery, otherwise, in a delivery of a later day."""
        delivered_on = self._some_day(2)
        if file := self._some_file(lambda file: file.delivered_on < delivered_on):
            taken = {play for other in self._of_day(delivered_on) for play in other.ids}
            rows = [self._played_otherwise(row) for row in file.rows[:3] if row[0] not in taken and row[0] != "bad"]
            if rows:
                self._deliver(PlaysFile(self._new_path(delivered_on), delivered_on, rows), "corrected")

    def _withdraw(self) -> None:
        """A file leaves a folder in which another one stays that is as it should be."""
        file = self._some_file()
        if file and [other for other in self._of_day(file.delivered_on) if other is not file and not other.broken]:
            (self._lake.home / "landing" / file.path).unlink()
            del self._files[file.path]
            self._journal.note("fed", "withdrawn", file.path)

    def _break(self) -> None:
        """A cut gzip, a page of HTML, or no bytes lie in a file's place."""
        if file := self._some_file():
            whole = gzip.compress(self._text(file).encode())
            self._put(file.path, self._random.choice([whole[: len(whole) // 2], b"<html>503</html>", b""]))
            file.broken = True
            self._journal.note("fed", "broken", file.path)

    def _mend(self) -> None:
        if file := self._some_file(lambda file: file.broken):
            self._deliver(replace(file, broken=False), "mended")

    def _write_slowly(self) -> None:
        """A file grows in its place, as from an exporter that does not rename. It is broken until it is whole."""
        delivered_on = self._some_day(2)
        rows = [self._play(delivered_on) for _ in range(30)]
        file = PlaysFile(self._new_path(delivered_on).removesuffix(".gz"), delivered_on, rows, broken=True)
        self._files[file.path] = file
        place = self._lake.home / "landing" / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w") as growing:
            for line in self._text(file).splitlines(keepends=True):
                growing.write(line)
                growing.flush()
                threading.Event().wait(0.1)
        file.broken = False
        self._journal.note("fed", "written slowly", file.path)

    def _users(self) -> None:
        rows = [
            (f"u{number}", self._random.choice(MARKETS), "", f"{1960 + number}-{number % 12 + 1:02}-15")
            for number in range(USERS)
        ]
        self._dimension("users", USER_COLUMNS, rows)

    def _tracks(self) -> None:
        rows = [
            (
                f"t{number}",
                f"Title {self._random.randint(1, 3)} of {number}",
                artist,
                f"Artist {artist}",
                genre,
                200_000,
            )
            for number in range(TRACKS)
            for artist, genre in [(f"a{number % 12}", GENRES[(number % 12) % 3])]
        ]
        self._dimension("tracks", TRACK_COLUMNS, rows)

    def _dimension(self, kind: str, columns: Sequence[str], rows: list[tuple]) -> None:
        path = f"{kind}/{self._some_day(3) if self._dimensions else self._clock.today - timedelta(days=3)}.csv"
        self._dimensions[path] = csv_text(columns, rows)
        self._put(path, self._dimensions[path].encode())
        self._journal.note("fed", kind, path)

    def _deliver(self, file: PlaysFile, kind: str) -> None:
        text = self._text(file).encode()
        self._put(file.path, gzip.compress(text, mtime=0) if file.path.endswith(".gz") else text)
        self._files[file.path] = replace(file, broken=False)
        self._journal.note("fed", kind, f"{file.path}, {len(file.rows)} records")

    def _put(self, path: str, content: bytes) -> None:
        """A whole file, moved into its place."""
        draft, place = self._incoming / "draft", self._lake.home / "landing" / path
        draft.write_bytes(content)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(place)

    def _new_path(self, delivered_on: date) -> str:
        self._number += 1
        return f"plays/dt={delivered_on}/part-{self._number:05}.csv{self._random.choice(['', '.gz'])}"

    def _play(self, day: date) -> tuple:
        self._number += 1
        second = self._random.randrange(86_400)
        if day == self._clock.today:  # what has not happened cannot be delivered
            second = min(second, self._clock.local.hour * 3600)
        started = datetime.combine(day, time()) + timedelta(seconds=second)
        user, session = f"u{self._random.randrange(USERS)}", self._random.choice(["", f"s{day}"])
        return (f"p{self._number}", user, session, *self._played(started.isoformat() + "Z"))

    def _played(self, started_at: str) -> tuple:
        track, market = f"t{self._random.randrange(TRACKS)}", self._random.choice([*MARKETS, ""])
        return (track, started_at, self._random.randrange(1_000, 300_000), market)

    def _played_otherwise(self, row: tuple) -> tuple:
        """The same play with another track, time and market; now and then it moves a day back."""
        started = row[4]
        if row[0] != "bad" and self._random.random() < 0.2:
            started = (datetime.fromisoformat(started) - timedelta(days=1)).isoformat().replace("+00:00", "Z")
        return (*row[:3], *self._played(started))

    def _late(self, delivered_on: date) -> date:
        back = self._random.choice([0, 0, 0, 1, self._random.randint(0, LATE_DAYS)])
        return delivered_on - timedelta(days=back)

    def _some_day(self, back: int) -> date:
        return self._clock.today - timedelta(days=self._random.randint(0, back))

    def _some_file(self, which: Callable[[PlaysFile], bool] = lambda _: True) -> PlaysFile | None:
        files = [file for file in self._files.values() if which(file)]
        return self._random.choice(files) if files else None

    def _of_day(self, delivered_on: date) -> list[PlaysFile]:
        return [file for file in self._files.values() if file.delivered_on == delivered_on]

    @staticmethod
    def _text(file: PlaysFile) -> str:
        return csv_text(PLAY_COLUMNS, file.rows)
