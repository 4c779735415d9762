"""A step that `bench.ledger` measures: `python -m bench.ledger_steps STEP HOME FILES_A_DAY`."""

import shutil
import sys
from datetime import timedelta
from pathlib import Path

from bench.ledger import FIRST, path_of
from umg_assets.catalogue import Catalogue
from umg_assets.planning.health import health_of
from umg_assets.planning.history import chunks
from umg_assets.planning.required import plan, required_watermarks
from umg_assets.planning.watermark import Watermark
from umg_assets.resources.ledger import Ledger

MARKETS = ("AT", "AU", "BE", "BR", "CA", "DE", "DK", "ES", "FR", "GB", "IT", "JP", "MX", "NL", "NO", "PL", "SE", "US")


def main(step: str, home: Path, a_day: int) -> None:
    """Does a step."""
    if step == "first":
        shutil.rmtree(home / "tables" / ".deliveries.snapshot", ignore_errors=True)
    history = Ledger(home).read()
    days = sorted(history.days)
    if step == "plan":
        catalogue = Catalogue.build(FIRST, MARKETS, artist_days=30, favourite_days=14)
        built = Watermark(history.sequence - 2 * a_day, days[-2])
        required = required_watermarks(history, catalogue, days[-1])
        watermarks = {asset: dict.fromkeys(keys, built) for asset, keys in required.items()}
        stale = plan(history, watermarks, catalogue, days[-1])
        print({asset: len(keys) for asset, keys in stale.partitions.items()})
    elif step == "status":
        print(health_of(history)["records"], len(chunks(history, days, 500_000)))
    elif step == "scan":
        asked = [days[-1] - timedelta(days=before) for before in range(7)]
        of_files = history.about({("plays", path_of(day, file)) for day in asked for file in range(a_day)})
        print(len(of_files.latest()), len(of_files.interrupted()), len(history.unfinished()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
