"""The figures of a soak, and the bounds that they are held to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from soak.processes import KINDS, SHORT_LIVED
from soak.watcher import Sample, Watcher

_WARM = 60
"""Seconds in which a server loads what it needs: its figures count after them."""

_NOISE_KB = 10_000
"""By which a folder may grow at once: SQLite's write-ahead logs come and go, and stay where a process is killed."""


@dataclass(frozen=True)
class Figure:
    """A figure at the start, in the middle and at the end of what it is of, and the most that it may be at the end."""

    name: str
    start: float
    middle: float
    end: float
    most: float
    unit: str

    @property
    def good(self) -> bool:
        """Whether it has stayed within its bound."""
        return self.end <= self.most

    @property
    def sentence(self) -> str:
        """What is wrong with it."""
        return f"{self.name}: {self.end:,.1f} {self.unit} at the end, at most {self.most:,.1f} expected"


def of_processes(watcher: Watcher) -> list[Figure]:
    """Memory and open files: of the server of each kind that lived longest, over its life; of runs, over the soak."""
    figures = []
    for kind in KINDS.values():
        lives = [samples for process, samples in watcher.lives.items() if process.kind == kind]
        if not lives:
            continue
        if kind in SHORT_LIVED:
            samples, name = [_peak(life) for life in lives], f"{kind} ({len(lives)} of them, peaks)"
        else:
            longest = max(lives, key=lambda life: life[-1].seconds - life[0].seconds)
            samples = [sample for sample in longest if sample.seconds > longest[0].seconds + _WARM] or longest[-1:]
            name = f"{kind} ({samples[-1].seconds - longest[0].seconds:.0f} s)"
        memory, files = _thirds(s.megabytes for s in samples), _thirds(float(s.open_files) for s in samples)
        figures.append(Figure(f"memory of {name}", *memory, most=memory[0] * 1.25 + 50, unit="MB"))
        figures.append(Figure(f"open files of {name}", *files, most=files[0] + 20, unit=""))
    return figures


def of_places(watcher: Watcher) -> list[Figure]:
    """How fast logs and Dagster's storage grow: in the last third of the soak no faster than in the others."""
    figures = []
    for name, weights in watcher.weights.items():
        parts = [weights[len(weights) * part // 3 : len(weights) * (part + 1) // 3 + 1] for part in range(3)]
        start, middle, end = (_kilobytes_a_minute(part) for part in parts)
        noise = _NOISE_KB / max((parts[-1][-1][0] - parts[-1][0][0]) / 60, 1 / 60)
        most = 1.5 * max(start, middle, 0) + noise
        figures.append(Figure(f"{name} ({weights[-1][1] / 1e6:.1f} MB)", start, middle, end, most, "kB a minute"))
    return figures


def _peak(life: Sequence[Sample]) -> Sample:
    return max(life, key=lambda sample: sample.megabytes)


def _thirds(values: Iterable[float]) -> tuple[float, float, float]:
    """The medians of the first, middle and last third."""
    listed = list(values)
    size = max(len(listed) // 3, 1)
    middle = (len(listed) - size) // 2
    return median(listed[:size]), median(listed[middle : middle + size]), median(listed[-size:])


def _kilobytes_a_minute(weights: Sequence[tuple[float, int]]) -> float:
    (began, before), (ended, after) = weights[0], weights[-1]
    return (after - before) / 1e3 / max(ended - began, 1) * 60
