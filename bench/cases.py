"""The measured cases; each creates its own home and returns its lines."""

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.comparing import compare
from bench.measuring import Measured, measure
from bench.worlds import SETTLED_ENVIRONMENT, deliver, hold_back, last_days, make_home, umg_run
from umg_assets.generator import World
from umg_assets.resources.engine import EngineError, java_version

WHOLE_HISTORY, NEW_DAY = "whole history", "new day"
NEW_DAYS = 3
LAKEHOUSE, DUCKDB, PYSPARK = "lakehouse on Sail", "DuckDB script", "PySpark script"


@dataclass(frozen=True)
class Line:
    """One side of a case. measured is None if it could not run; note then says why."""

    case: str
    side: str
    measured: Measured | None
    note: str = ""


@dataclass(frozen=True)
class Sizes:
    """plays, days: of the whole history; histories: days of history before a new day, with the same plays a day."""

    plays: int = 300_000
    days: int = 120
    histories: tuple[int, ...] = (120, 480)

    def world(self, plays: int, days: int, users: int | None = None, tracks: int | None = None) -> World:
        """A synthetic world whose last day is yesterday."""
        return World(plays=plays, days=days, users=users, tracks=tracks)


def whole_history(folder: Path, sizes: Sizes, sides: Sequence[str], say: Callable[[str], None]) -> list[Line]:
    """(a), (b), (d): from landing files to all charts, by the lakehouse and by scripts; compares their tables."""
    say(f"generating {sizes.plays:,} plays over {sizes.days} days")
    home = make_home(folder / "whole", sizes.world(sizes.plays, sizes.days))
    say(LAKEHOUSE)
    lines = [Line(WHOLE_HISTORY, LAKEHOUSE, measure(umg_run(home), SETTLED_ENVIRONMENT))]
    for side, module in ((DUCKDB, "duckdb_script"), (PYSPARK, "pyspark_script")):
        if side not in sides:
            continue
        try:
            if side == PYSPARK:
                java_version()
        except EngineError as error:
            lines.append(Line(WHOLE_HISTORY, side, None, f"skipped: {error}"))
            continue
        say(side)
        out = folder / module
        command = [sys.executable, "-m", f"bench.{module}", str(home / "landing"), str(out)]
        root = str(Path(__file__).parents[1])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**SETTLED_ENVIRONMENT, "PYTHONPATH": paths, "PYSPARK_PYTHON": sys.executable}
        measured = measure(command, environment)
        lines.append(Line(WHOLE_HISTORY, side, measured, compare(home, out)))
    return lines


def new_day(folder: Path, sizes: Sizes, say: Callable[[str], None]) -> list[Line]:
    """(c): one new day after histories of different lengths, as many users and tracks: the median of a few days."""
    plays_a_day = max(1, sizes.plays // sizes.days)
    lines = []
    for days in sizes.histories:
        say(f"a history of {days} days")
        total = max(100, plays_a_day * (days + NEW_DAYS))
        world = sizes.world(total, days + NEW_DAYS, users=max(40, sizes.plays // 60), tracks=8 * int(sizes.plays**0.5))
        home = make_home(folder / f"history-{days}", world)
        held = hold_back(home, last_days(world, NEW_DAYS))
        measure(umg_run(home), SETTLED_ENVIRONMENT)
        runs = []
        for day, files in held.items():
            say(f"{day} after {days} days")
            deliver(home, files)
            runs.append(measure(umg_run(home), SETTLED_ENVIRONMENT))
        lines.append(Line(NEW_DAY, f"after {days} days", _median(runs), f"median of {len(runs)} days"))
    return lines


def _median(runs: Sequence[Measured]) -> Measured:
    return Measured(
        *(
            statistics.median(getattr(run, figure) for run in runs)
            for figure in ("wall_s", "cpu_s", "peak_mb", "read_mb")
        )
    )
