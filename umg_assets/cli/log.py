"""The log of `umg dev`: what happens, a line each; without what sensors look at in vain, and without colours in a file.

Dagster's daemon logs every look of every sensor, and each run some forty steps: over a day, tens of thousands of lines.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from umg_assets.cli.console import out

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OF_DAEMON = re.compile(r"^[\d-]+ [\d:]+ \S+ - dagster\.daemon\S* - (?P<level>[A-Z]+) - (?P<text>.*)$")
_OF_RUN = re.compile(
    r"^(?P<at>[\d-]+ [\d:]+) \S+ - dagster - DEBUG - (?P<job>\w+) - (?P<run>[\w-]{36}) - \d+ - (?P<event>.*)$"
)
_SKIPPED = re.compile(r"^Sensor (\w+) skipped: (.*)$")
_NO_NEWS = re.compile(
    r"^(Checking for new runs|Checking run |Collected \d+ runs|Creating new run|Launching run|Completed launch"
    r"|Priority sorting|Launched \d+ runs|No run requests|Run \S+ is blocked|Instance is configured"
    r"|No cursor for event type|Sensor \w+ skipped: "
    r"(no file is new|every table is up to date|nothing has happened|stale: |a landing run is under way$))"
)
_SHOWN = re.compile(r"RUN_(START|SUCCESS|FAILURE|CANCELED)|STEP_FAILURE|ASSET_CHECK_EVALUATION.* did not pass|failed")


class Log:
    """Chooses and words the lines of what Dagster's processes print.

    why: from a run's id to what it is asked for and by whom.
    """

    def __init__(self, why: Callable[[str], str] = lambda _: "") -> None:
        self._why, self._last = why, dict[str, str]()

    def line(self, printed: str) -> str | None:
        """The line to log for one that was printed; None for what is no news. Any other text is kept as it is."""
        text = _COLOUR.sub("", printed.rstrip("\n"))
        if daemon := _OF_DAEMON.match(text):
            return text if self._is_news(daemon["text"]) else None
        run = _OF_RUN.match(text)
        if not run:
            return text
        if not _SHOWN.search(run["event"]):
            return None
        if run["event"].startswith("RUN_START"):
            return f"{run['at']} {run['job']} started{self._why(run['run'])}"
        if run["event"].startswith("RUN_SUCCESS"):
            return f"{run['at']} {run['job']} succeeded"
        return text

    def _is_news(self, text: str) -> bool:
        """Whether the daemon has not said the same, but for its numbers, of the same sensor before."""
        if _NO_NEWS.match(text):
            return False
        skipped = _SKIPPED.match(text)
        if not skipped:
            return True
        sensor, reason = skipped[1], re.sub(r"\d+ s ago", "", skipped[2])
        seen, self._last[sensor] = self._last.get(sensor), reason
        return seen != reason


@contextmanager
def logged(log: Log) -> Iterator[int]:
    """A file descriptor for processes to print to, whose lines the log chooses from; ends when all have closed it."""
    reading, writing = os.pipe()

    def relay() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as printed:
            for line in printed:
                if (news := log.line(line)) is not None:
                    out.print(news, soft_wrap=True)
                    out.file.flush()

    thread = threading.Thread(target=relay, daemon=True)
    thread.start()
    try:
        yield writing
    finally:
        os.close(writing)
        thread.join(timeout=10)
