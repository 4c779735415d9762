"""The knobs of a synthetic world, and its calendar."""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

DAY_MS = 86_400_000
AGE_GROUPS = ("13-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+")
AGE_BOUNDS = (13, 18, 25, 35, 45, 55, 65)
STREAM_MS = 30_000
CORRECTION_DAYS = 35

CSV, JSONL, PARQUET = 0, 1, 2
"""The three eras, named after the format in which the plays exporter wrote."""

_EPOCH = date(1970, 1, 1)
_SLOT_MS = 900_000
_MARGIN_DAYS = 64


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


@dataclass(frozen=True)
class World:
    """What to generate. The same knobs give the same files, byte for byte.

    plays: number of plays, each counted once however often it is delivered. days: number of delivery days (UTC);
    last_day: the last of them, by default yesterday. zone: time zone of the play dates. users, tracks: how many are
    delivered, by default derived from plays. dirty: bad records as a share of plays (0: none). Raises ValueError for
    a knob out of range.
    """

    plays: int = 300_000
    days: int = 120
    last_day: date = field(default_factory=_yesterday)
    seed: int = 7
    zone: str = "Europe/Vienna"
    markets: tuple[str, ...] = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
    users: int | None = None
    tracks: int | None = None
    dirty: float = 0.004

    def __post_init__(self) -> None:
        for knob, least, most in (
            ("plays", 100, 200_000_000),
            ("days", 3, 5_000),
            ("users", 20, 9_000_000),
            ("tracks", 24, 900_000),
        ):
            value = getattr(self, knob)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{knob} must be between {least} and {most}, not {value}")
        if not 0 <= self.dirty <= 0.5:
            raise ValueError(f"dirty must be a share between 0 and 0.5, not {self.dirty}")
        if not self.markets or len(set(self.markets)) < len(self.markets) or len(self.markets) > 100:
            raise ValueError(f"markets must be 1 to 100 different country codes, not {self.markets}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")
        ZoneInfo(self.zone)

    @property
    def first_day(self) -> date:
        return self.last_day - timedelta(days=self.days - 1)

    @property
    def user_count(self) -> int:
        return self.users or max(40, self.plays // 60)

    @property
    def track_count(self) -> int:
        return self.tracks or max(60, int(8 * self.plays**0.5))

    @cached_property
    def calendar(self) -> "Calendar":
        return Calendar(self.first_day, self.days, self.zone)

    def rng(self, subject: str, part: int = 0) -> np.random.Generator:
        """A random generator for each subject, so that draws for one subject never shift those for another."""
        return np.random.default_rng([self.seed, zlib.crc32(subject.encode()), part])


class Calendar:
    """Days as integers: a delivery day is its index from 0, a date is the number of days since 1970-01-01."""

    def __init__(self, first_day: date, days: int, zone: str) -> None:
        self.days = days
        self.first = (first_day - _EPOCH).days
        self.start_ms = self.first * DAY_MS
        self.end_ms = self.start_ms + days * DAY_MS
        self._first_slot = (self.first - _MARGIN_DAYS) * (DAY_MS // _SLOT_MS)
        slots = (days + 2 * _MARGIN_DAYS) * (DAY_MS // _SLOT_MS)
        tz = ZoneInfo(zone)
        seconds = (self._first_slot + np.arange(slots)) * (_SLOT_MS // 1000)
        offsets = [datetime.fromtimestamp(s, tz).utcoffset() or timedelta() for s in seconds.tolist()]
        self._offset_ms = np.array([o // timedelta(milliseconds=1) for o in offsets], np.int64)

    def offset_ms(self, at_ms: np.ndarray) -> np.ndarray:
        """Local time minus UTC, in milliseconds, at each instant (milliseconds since 1970)."""
        return self._offset_ms[at_ms // _SLOT_MS - self._first_slot]

    def local_date(self, at_ms: np.ndarray) -> np.ndarray:
        """The local date of each instant, in days since 1970."""
        return ((at_ms + self.offset_ms(at_ms)) // DAY_MS).astype(np.int32)

    def day_of(self, at_ms: np.ndarray) -> np.ndarray:
        """The index of the UTC day of each instant (milliseconds since 1970)."""
        return ((at_ms - self.start_ms) // DAY_MS).astype(np.int32)

    def iso(self, day: int) -> str:
        """The date of a delivery day (index) as YYYY-MM-DD."""
        return date_of(self.first + day).isoformat()

    def era(self, day: int) -> int:
        """The era of a delivery day (index): CSV, JSONL or PARQUET, each a third of the days."""
        return min(2, 3 * day // self.days)

    def weekly(self, first: int) -> list[int]:
        """Every seventh day (index) from `first` on; if there is none, one day in the middle of the world."""
        return list(range(first, self.days, 7)) or [max(1, self.days // 2)]


def date_of(days: int) -> date:
    """The date that many days after 1970-01-01."""
    return _EPOCH + timedelta(days=int(days))


def calendar_parts(dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Year, and month * 100 + day, of dates given in days since 1970."""
    days = dates.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(np.int32) + 1
    month = (months - years.astype("datetime64[M]")).astype(np.int32) + 1
    return years.astype(np.int32) + 1970, month * 100 + day
