"""The clock: the one place that asks what time it is. A test that needs another day replaces `now`.

`make soak` sets the clock of processes that others start: the environment variable CLOCK_SHIFT_FILE names a file with
the seconds that are added to the machine's. Nothing else reads the variable, and nothing but the soak sets it.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

SHIFT_FILE = "CLOCK_SHIFT_FILE"


def now() -> datetime:
    """The instant, UTC."""
    return datetime.now(UTC) + _shift()


def instant_of(noted: float) -> datetime:
    """The instant, UTC, that a file or a table's log has noted: the machine's clock, in seconds since 1970."""
    return datetime.fromtimestamp(noted, UTC) + _shift()


def seconds_since(noted: float) -> float:
    """The seconds that have passed since then, by the same clock; negative where it is ahead of this one."""
    return (now() - instant_of(noted)).total_seconds()


def _shift() -> timedelta:
    file = os.environ.get(SHIFT_FILE)
    return timedelta(seconds=float(Path(file).read_text())) if file else timedelta(0)
