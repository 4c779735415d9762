"""What happened in the soak: counted by kind, printed as it happens; and what must not have happened."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Journal:
    """counts: by what was done (`fed`, `killed`, ...) and its kind. faults: sentences; none in a good soak."""

    began: float = field(default_factory=time.monotonic)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Since the soak began."""
        return time.monotonic() - self.began

    def note(self, done: str, kind: str, detail: str = "") -> None:
        """Counts something that was done."""
        self.counts[done, kind] += 1
        self._print(f"{done} {kind} {detail}".rstrip())

    def fault(self, text: str) -> None:
        """Notes what makes the soak red."""
        self.faults.append(f"after {self.seconds:.0f} s: {text}")
        self._print(f"FAULT {text}")

    def say(self, text: str) -> None:
        """Prints what is neither counted nor a fault."""
        self._print(text)

    def _print(self, text: str) -> None:
        print(f"{self.seconds:6.0f} s  {text}", flush=True)


def repeated(act: Callable[[], object], every: float, ended: threading.Event, journal: Journal) -> threading.Thread:
    """A started thread that acts, then waits, until the event is set. An error of the act is a fault, not its end."""

    def go_on() -> None:
        while not ended.wait(every):
            try:
                act()
            except Exception:
                journal.fault(f"{act.__qualname__} failed:\n{traceback.format_exc()}")

    thread = threading.Thread(target=go_on, name=act.__qualname__)
    thread.start()
    return thread
