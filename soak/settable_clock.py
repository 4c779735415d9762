"""The soak's clock: that of every process that works on the lakehouse. It is set ahead, and never back."""

import os
import threading
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from soak.journal import Journal
from umg_assets import clock
from umg_assets.calendar import months_before, next_month, utc_today

_ZONE = ZoneInfo("Europe/Vienna")
_BEFORE_MIDNIGHT = timedelta(seconds=12)


class Clock:
    """Sets the clock by the file that clock.SHIFT_FILE names, for this process and those that it starts.

    It begins on the evening of the last day but one of a month that has passed, and goes on to the next: Dagster's own
    clock stays the machine's, and knows no partitions of days to come.
    """

    def __init__(self, file: Path, journal: Journal) -> None:
        self._file, self._journal, self._lock = file, journal, threading.Lock()
        month = months_before(utc_today().replace(day=1), 3)[0]
        began = datetime.combine(month - timedelta(days=2), time(20), _ZONE)
        self._shift = began - clock.now()
        self._write()
        os.environ[clock.SHIFT_FILE] = str(file)

    @property
    def local(self) -> datetime:
        """What time it is, locally."""
        return clock.now().astimezone(_ZONE)

    @property
    def today(self) -> date:
        """The local day."""
        return self.local.date()

    def go_to(self, instant: datetime) -> None:
        """Sets the clock ahead to an instant; one that has passed changes nothing."""
        with self._lock:
            self._shift += max(instant - clock.now(), timedelta(0))
            self._write()

    def an_hour_on(self) -> None:
        """Sets the clock an hour ahead; where midnight is on the way, to shortly before it, and it comes by itself."""
        midnight = datetime.combine(self.today + timedelta(days=1), time(), _ZONE)
        before = midnight - _BEFORE_MIDNIGHT
        hour = self.local + timedelta(hours=1)
        if self.local >= before:
            return  # it comes
        kind, instant = ("before midnight", before) if before < hour else ("an hour ahead", hour)
        self._journal.note("set the clock", kind, str(instant))
        self.go_to(instant)

    def to_the_end_of_the_month(self) -> None:
        """Sets the clock to shortly before the midnight with which a month begins."""
        before = datetime.combine(next_month(self.today), time(), _ZONE) - _BEFORE_MIDNIGHT
        self._journal.note("set the clock", "before a new month", str(before))
        self.go_to(before)

    def to_the_next_noon(self) -> None:
        """Sets the clock to the noon of the next day."""
        self.go_to(datetime.combine(self.today + timedelta(days=1), time(12), _ZONE))

    def _write(self) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(self._shift.total_seconds()))
        draft.replace(self._file)
