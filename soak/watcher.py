"""Figures while the soak goes on: memory and open files of processes, bytes of logs, Dagster's storage and tables."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from soak.journal import Journal
from soak.processes import Process, processes


@dataclass(frozen=True)
class Sample:
    """Of one process: seconds since the soak began, resident memory in MB, open files."""

    seconds: float
    megabytes: float
    open_files: int


@dataclass
class Watcher:
    """Looks at processes and folders. places: what is weighed, by name.

    lives: by process, its samples in order. weights: by place, (seconds, bytes) in order.
    """

    places: dict[str, Path]
    journal: Journal
    lives: dict[Process, list[Sample]] = field(default_factory=dict)
    weights: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def look(self) -> None:
        """Takes a sample of everything."""
        seconds = self.journal.seconds
        for process in processes():
            with suppress(OSError):  # it has ended
                if process.kind:
                    sample = Sample(seconds, process.megabytes, process.open_files)
                    self.lives.setdefault(process, []).append(sample)
        for name, place in self.places.items():
            self.weights.setdefault(name, []).append((seconds, weight(place)))


def weight(place: Path) -> int:
    """The bytes of a file, or of all files of a folder; of what is not there, or goes meanwhile, 0."""
    return sum(size for _, size in _files(str(place)))


def files_in(place: Path) -> list[Path]:
    """The files of a folder."""
    return [Path(path) for path, _ in _files(str(place))]


def _files(place: str) -> Iterator[tuple[str, int]]:
    with suppress(OSError):
        if not Path(place).is_dir():
            yield place, Path(place).stat().st_size
            return
        with os.scandir(place) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        yield from _files(entry.path)
                    else:
                        yield entry.path, entry.stat(follow_symlinks=False).st_size
