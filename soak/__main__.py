"""`python -m soak` (`make soak`): a soak of some minutes, its figures as a table; exit code 1 if it found a fault."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from soak.backfiller import Backfiller
from soak.disk import Disk
from soak.ending import Ending
from soak.feeder import LATE_DAYS, SOURCES, Feeder
from soak.figures import Figure, of_places, of_processes
from soak.journal import Journal, repeated
from soak.killer import Killer
from soak.reader import Reader
from soak.service import Service
from soak.settable_clock import Clock
from soak.watcher import Watcher
from umg_assets_tests.disk import NoMountError, mounted
from umg_assets_tests.lake import Lake

_SETTINGS = "[automation]\nsensor_seconds = 2\nquiet_seconds = 1\n[thresholds]\nshrunk_percent = 20\n"
_HISTORY_DAYS = 5
_DISK_MB = 4_000
_SPARED = 0.6
"""From this part of the soak on, servers live: so that their memory can be compared."""


def soak(
    minutes: Annotated[float, typer.Option(help="How long, without the build before and the comparison after.")] = 20,
    seed: Annotated[int, typer.Option(help="Of all that happens; when it does depends on the machine.")] = 7,
    folder: Annotated[
        Path | None, typer.Option(help="For the lakehouse and the log; kept. Default: a temporary one.")
    ] = None,
) -> None:
    """Lets everything that happens to a lakehouse happen to one, and compares it with a fresh build."""
    journal = Journal()
    with ExitStack() as stack:
        base = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="umg-soak-")))
        base.mkdir(parents=True, exist_ok=True)
        (base / "tmp").mkdir()
        os.environ |= {"TMPDIR": str(base / "tmp"), "UMG_ENGINE": os.environ.get("UMG_ENGINE", "sail")}
        tempfile.tempdir = None
        place, full = _place(base, stack, journal)
        figures, runs = _soaked(base, place, full, minutes, seed, journal)
        for figure in figures:
            if not figure.good:
                journal.fault(figure.sentence)
        _show(figures, runs, journal, Console(width=None if sys.stdout.isatty() else 140))
        if folder and full:
            shutil.copytree(place, base / "kept", symlinks=True)
    for fault in journal.faults:
        print(f"soak: {fault}", file=sys.stderr)
    sys.exit(1 if journal.faults else 0)


def _place(base: Path, stack: ExitStack, journal: Journal) -> tuple[Path, bool]:
    """Where the lakehouse lies, and whether its disk can be filled."""
    try:
        stack.enter_context(mounted(base / "disk", _DISK_MB))
    except NoMountError as error:
        journal.say(f"the disk is never full: {error}")
        return base / "disk", False
    return base / "disk", True


def _soaked(
    base: Path, place: Path, full: bool, minutes: float, seed: int, journal: Journal
) -> tuple[list[Figure], dict[tuple[str, str], int]]:
    """Figures, and runs by job and status."""
    clock = Clock(base / "clock", journal)
    lake = Lake(place / "home", on_disk=True)
    first_day = clock.today.replace(day=1)
    lake.configure(_SETTINGS, SOURCES, (first_day - timedelta(days=LATE_DAYS)).isoformat())
    feeder = Feeder(lake, place / "incoming", clock, seed, journal)
    feeder.begin(_HISTORY_DAYS)
    service = Service(lake.home, base / "umg_dev.log", journal)
    backfiller, killer = Backfiller(service, clock, seed, journal), Killer(service, seed, journal)
    reader, disk = Reader(lake.home, service, seed, journal), Disk(place / "other", seed, journal)
    places = {
        "log of umg dev": base / "umg_dev.log",
        "Dagster's storage": lake.home / "dagster",
        "TMPDIR": base / "tmp",
    }
    watcher = Watcher({**places, "tables": lake.home / "tables"}, journal)
    seconds = minutes * 60
    often = min(60.0, seconds / 8)
    journal.began = time.monotonic()
    with _every(journal) as every:
        every(1, service.keep_up)
        every(5, watcher.look)
        every(min(6, often), feeder.feed)
        every(min(15, often), feeder.accept)
        every(3, reader.read)
        every(often, killer.kill)
        every(often / 1.5, backfiller.ask)
        every(often / 1.2, clock.an_hour_on)
        if full:
            every(often * 2, disk.fill)
        time.sleep(seconds / 2)
        clock.to_the_end_of_the_month()
        time.sleep(seconds * (_SPARED - 0.5))
        killer.spares_servers = True
        time.sleep(seconds * (1 - _SPARED))
    disk.clear()
    ending = Ending(lake, service, feeder, backfiller, clock, journal)
    figures = of_processes(watcher) + of_places(watcher)
    ending.settle()
    runs = ending.runs()
    service.end()
    return figures + ending.compare(place / "fresh"), runs


@contextmanager
def _every(journal: Journal) -> Iterator[Callable[[float, Callable[[], object]], None]]:
    """Takes what is to be done again and again, every so many seconds; when the block ends, waits for all of it."""
    ended, threads = threading.Event(), list[threading.Thread]()
    try:
        yield lambda seconds, act: threads.append(repeated(act, seconds, ended, journal))
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _show(figures: list[Figure], runs: dict[tuple[str, str], int], journal: Journal, console: Console) -> None:
    done = Table("what was done", "kind", "times", title="What happened")
    for (what, kind), times in sorted(journal.counts.items()):
        done.add_row(what, kind, str(times))
    for (job, status), times in sorted(runs.items()):
        done.add_row("run", f"{job}, {status}", str(times))
    console.print(done)
    shown = Table("figure", "start", "middle", "end", "at most", "unit", title="Figures and their bounds")
    for figure in figures:
        values = [f"{value:,.1f}" for value in (figure.start, figure.middle, figure.end, figure.most)]
        shown.add_row(figure.name, *values, figure.unit, style="" if figure.good else "bold red")
    console.print(shown)


if __name__ == "__main__":
    typer.run(soak)
