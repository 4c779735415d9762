"""How often a process, or its engine, has died over a landing file: staging/attempts.json, which outlives them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from umg_assets.landing.scan import LandingFile
from umg_assets.resources.json_files import read_json, write_json

ALONE, REFUSED = 2, 3
"""After so many deaths a file lands by itself; after so many, the last of them by itself, it is refused."""


class Attempts:
    """Attempts to land files that have begun and not ended, counted by the files' content."""

    def __init__(self, home: Path) -> None:
        self._file = home / "staging" / "attempts.json"

    def deaths(self, file: LandingFile) -> int:
        """How many attempts to land this content have died."""
        return self._read()[_key(file)]

    @contextmanager
    def counted(self, files: Sequence[LandingFile], engine_works: Callable[[], bool]) -> Iterator[None]:
        """Counts an attempt to land the files, which has ended when the block has, unless its engine is dead then."""
        self._write(self._read() + Counter(map(_key, files)))
        ended = True
        try:
            yield
        except Exception:
            ended = engine_works()
            raise
        finally:
            if ended:
                keys = set(map(_key, files))
                self._write(Counter({key: count for key, count in self._read().items() if key not in keys}))

    def _read(self) -> Counter[str]:
        return Counter(read_json(self._file))

    def _write(self, counts: Counter[str]) -> None:
        if counts:
            write_json(self._file, counts)
        else:
            self._file.unlink(missing_ok=True)


def _key(file: LandingFile) -> str:
    return f"{file.kind} {file.content_hash}"
