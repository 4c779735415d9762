"""What happened in the soak: counted by kind, printed as it happens; and what must not have happened."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def repeated(acts: Mapping[Callable[[], object], float], journal: Journal) -> Iterator[None]:
    """Acts again and again, each in a thread of its own, so many seconds after it has acted before.

    An error of an act is a fault, and not its end. At the end of the block the last ones are waited for.
    """
    ended = threading.Event()

    def go_on(act: Callable[[], object], pause: float) -> None:
        while not ended.wait(pause):
            try:
                act()
            except Exception:
                journal.fault(f"{act.__qualname__} failed:\n{traceback.format_exc()}")

    threads = [threading.Thread(target=go_on, args=each, name=each[0].__qualname__) for each in acts.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
