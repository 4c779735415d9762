"""`python -m soak` (`make soak`): a soak of some minutes, its figures as a table; exit code 1 if it found a fault."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from soak.backfiller import Backfiller
from soak.disk import Disk
from soak.ending import Ending
from soak.feeder import FOLDERS, LATE_DAYS, Feeder
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
        figures = _soaked(base, place, full, minutes, seed, journal)
        for figure in figures:
            if not figure.good:
                journal.fault(figure.sentence)
        _show(figures, journal, Console(width=None if sys.stdout.isatty() else 140))
        if folder and full:
            shutil.copytree(place / "home", base / "home", symlinks=True, ignore=lambda *_: {"staging"})
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


def _soaked(base: Path, place: Path, full: bool, minutes: float, seed: int, journal: Journal) -> list[Figure]:
    """The figures of a soak; what happened and what is wrong is in the journal."""
    clock = Clock(base / "clock", journal)
    lake = Lake(place / "home", on_disk=True)
    first_day = clock.today.replace(day=1)
    lake.configure(_SETTINGS, FOLDERS, (first_day - timedelta(days=LATE_DAYS)).isoformat())
    feeder = Feeder(lake, place / "incoming", clock, seed, journal)
    feeder.begin(_HISTORY_DAYS)
    service = Service(lake.home, base / "umg_dev.log", journal)
    backfiller, killer = Backfiller(service, clock, seed, journal), Killer(service, seed, journal)
    disk = Disk(place / "other", seed, journal)
    watcher = Watcher(
        {
            "log of umg dev": service.log,
            "Dagster's storage": lake.home / "dagster",
            "tables and their versions": lake.home / "tables",
            "TMPDIR": base / "tmp",
        },
        journal,
    )
    ending = Ending(lake, service, feeder, backfiller, clock, journal)
    try:
        ending.await_first_set()
        journal.began = time.monotonic()
        often = min(60.0, minutes * 60 / 8)
        acts: dict[Callable[[], object], float] = {
            service.keep_up: 1,
            watcher.look: 5,
            feeder.feed: min(5, often),
            feeder.accept: min(15, often),
            Reader(lake.home, service, seed, journal).read: 3,
            killer.kill: often,
            backfiller.ask: often / 1.5,
            clock.an_hour_on: often / 1.2,
            **({disk.fill: often * 2} if full else {}),
        }
        with repeated(acts, journal):
            time.sleep(minutes * 30)
            clock.to_the_end_of_the_month()
            time.sleep(minutes * 60 * (_SPARED - 0.5))
            killer.spares_servers = True
            time.sleep(minutes * 60 * (1 - _SPARED))
        disk.clear()
        figures = of_processes(watcher) + of_places(watcher)
        ending.settle()
        ending.count_runs()
        service.end()
        return figures + ending.compare(place / "fresh")
    finally:
        service.kill_all()


def _show(figures: list[Figure], journal: Journal, console: Console) -> None:
    done = Table("what was done", "kind", "times", title="What happened")
    for (what, kind), times in sorted(journal.counts.items()):
        done.add_row(what, kind, str(times))
    console.print(done)
    shown = Table("figure", "start", "middle", "end", "at most", "unit", title="Figures and their bounds")
    for figure in figures:
        values = [f"{value:,.1f}" for value in (figure.start, figure.middle, figure.end, figure.most)]
        shown.add_row(figure.name, *values, figure.unit, style="" if figure.good else "bold red")
    console.print(shown)


if __name__ == "__main__":
    typer.run(soak)
