"""The soak's clock: that of every process that works on the lakehouse. It goes ahead of the real one, never back."""

import os
import threading
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from soak.journal import Journal
from umg_assets import clock
from umg_assets.calendar import next_month

_ZONE = ZoneInfo("Europe/Vienna")
_BEFORE_MIDNIGHT = timedelta(seconds=12)


class Clock:
    """Sets the clock by the file that clock.AHEAD_FILE names, for this process and those that it starts.

    It begins on the evening of the last day but one of a month to come.
    """

    def __init__(self, file: Path, journal: Journal) -> None:
        self._journal = journal
        self._file, self._lock = file, threading.Lock()
        self._ahead = timedelta(0)
        self._write()
        os.environ[clock.AHEAD_FILE] = str(file)
        month = next_month(next_month(self.today))
        self.go_to(datetime.combine(month - timedelta(days=2), time(20), _ZONE))

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
            self._ahead += max(instant - clock.now(), timedelta(0))
            self._write()

    def an_hour_on(self) -> None:
        """Sets the clock an hour ahead; where midnight is on the way, to shortly before it, and it comes by itself."""
        midnight = datetime.combine(self.today + timedelta(days=1), time(), _ZONE)
        before = midnight - _BEFORE_MIDNIGHT
        hour = self.local + timedelta(hours=1)
        if self.local < before < hour:
            self._journal.note("set the clock", "before midnight", str(before))
            self.go_to(before)
        else:
            self._journal.note("set the clock", "an hour ahead", str(hour))
            self.go_to(hour)

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
        draft.write_text(str(self._ahead.total_seconds()))
        draft.replace(self._file)
