"""A step that `bench.ledger` measures: `python -m bench.ledger_steps HOME DAYS FILES_A_DAY STEP`."""

import shutil
import sys
from datetime import timedelta
from pathlib import Path

from bench.made_ledger import FIRST, land_day, make_ledger, path_of
from umg_assets.catalogue import Catalogue
from umg_assets.planning.health import health_of
from umg_assets.planning.history import History, chunks
from umg_assets.planning.required import plan, required_watermarks
from umg_assets.planning.watermark import Watermark
from umg_assets.resources.ledger import Ledger

MARKETS = ("AT", "AU", "BE", "BR", "CA", "DE", "DK", "ES", "FR", "GB", "IT", "JP", "MX", "NL", "NO", "PL", "SE", "US")


def main(home: Path, days: int, a_day: int, step: str) -> None:
    """Does a step."""
    if step == "make":
        make_ledger(home, days, a_day)
        return
    if step == "land":
        if Ledger(home).read().sequence == 2 * days * a_day:  # else it has been done
            land_day(home, days, min(a_day, 9_900), days * a_day)
        return
    if step == "first":
        shutil.rmtree(home / "tables" / ".deliveries.snapshot", ignore_errors=True)
    history = Ledger(home).read()
    asked = sorted(history.days)[-7:]
    if step == "plan":
        _plan_newest(history, 2 * days * a_day)
    elif step == "status":
        print(health_of(history)["records"], len(chunks(history, history.days, 500_000)))
    elif step == "scan":
        of_files = history.about({("plays", path_of(day, file)) for day in asked for file in range(a_day)})
        print(len(of_files.latest()), len(of_files.interrupted()), len(history.unfinished()))


def _plan_newest(history: History, seen: int) -> None:
    """The plan when everything was built the day before, from entries up to a sequence."""
    catalogue = Catalogue.build(FIRST, MARKETS, artist_days=30, favourite_days=14)
    today = max(history.days)
    built = Watermark(seen, today - timedelta(days=1))
    required = required_watermarks(history, catalogue, today)
    stale = plan(history, {asset: dict.fromkeys(keys, built) for asset, keys in required.items()}, catalogue, today)
    print({asset: f"{len(keys)} of {len(required[asset])}" for asset, keys in stale.partitions.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
