"""The clock: the one place that asks what time it is. A test that needs another day replaces `now`.

`make soak` sets the clock of processes that others start: the environment variable CLOCK_AHEAD_FILE names a file with
the seconds by which it goes ahead. Nothing else reads or sets it.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

AHEAD_FILE = "CLOCK_AHEAD_FILE"


def now() -> datetime:
    """The instant, UTC."""
    file = os.environ.get(AHEAD_FILE)
    return datetime.now(UTC) + timedelta(seconds=float(Path(file).read_text()) if file else 0)
