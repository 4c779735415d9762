"""In which runs stale partitions are built, which may start now: `umg run`, sensors and schedule all ask here. Pure.

A run is some assets of one job, each with the partitions that it builds: those of a day and of late plays here and
there are one run. An asset may run when nothing that it follows from is stale, running or refused by a check, unless
the same run builds that first: so nobody reads half of a backfill, and exports come last. Users and tracks wait for
what is being built of them, too: the dates that they note are read from it, and half of it names half of them.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from umg_assets.calendar import chart_key, parse_day, runs_of_days, split_chart_keys
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.graph import Asset, Partitioning
from umg_assets.planning.history import History
from umg_assets.planning.required import Plan
from umg_assets.planning.watermark import NEVER, Watermark, Watermarks

RANGES_APART = 3
"""Over so many ranges of delivery days land in one run: one for each would take longer than what it does."""
TRIES = 3
"""After so many failed runs of the same work it is asked for once a day, before that once an hour."""
_NAMED = 3

Bounds = tuple[str, str] | None
"""The first and the last partition key of a range that holds a run's partitions; None without partitions."""


@dataclass(frozen=True)
class Run:
    """A run to start: some assets of a job, over partitions that lie within a range.

    keys: by asset, the partitions to build. why: what asks for it, for people. fingerprint: the same for the
    same work, another once there is other work.
    """

    job: str
    assets: tuple[str, ...]
    bounds: Bounds
    keys: dict[str, list[str]] = field(compare=False)
    why: str = field(compare=False)
    fingerprint: str = field(compare=False)

    @property
    def work(self) -> str:
        """The fingerprint, short enough for a tag."""
        return work_of(self.fingerprint)


def work_of(fingerprint: str) -> str:
    """A fingerprint short enough for a tag: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def try_of(failures: int, now: datetime) -> str:
    """The hour, or after TRIES failures the day, within which the same work is asked for once."""
    return f"{now:%Y-%m-%dT%H}" if failures < TRIES else f"{now:%Y-%m-%d}"


def next_runs(
    stale: Mapping[str, list[str]],
    history: History,
    watermarks: Watermarks,
    catalogue: Catalogue,
    busy: Collection[str] = (),
    refused: Collection[str] = (),
) -> list[Run]:
    """The runs that may start now, in order; after them the next ones follow from a new plan.

    stale: partition keys by asset. busy: assets that a run or a backfill under way is building; refused: those of which
    a blocking check failed. A job is one run, in which what an asset is made of is built first.
    """
    runs: list[Run] = []
    for job, names in catalogue.jobs.items():
        for keys in _by_run(_startable(names, stale, catalogue, busy, refused), catalogue):
            why, since = _why(history, watermarks, keys)
            bounds = _bounds(keys, catalogue)
            runs.append(Run(job, tuple(keys), bounds, keys, why, f"{job}:{'+'.join(keys)}:{bounds}:{since}"))
    return runs


def _startable(
    names: Sequence[str],
    stale: Mapping[str, list[str]],
    catalogue: Catalogue,
    busy: Collection[str],
    refused: Collection[str],
) -> dict[str, list[str]]:
    """By asset of a job, in order, the partitions to build now."""
    keys: dict[str, list[str]] = {}
    being_built = [catalogue[name] for name in busy if name in catalogue]
    noting = {source.asset for asset in being_built for source in asset.inputs if source.noted}
    for name in names:
        ancestors = catalogue.ancestors(name)
        free = not {name, *ancestors}.intersection(busy) and name not in noting
        free = free and not ancestors.intersection(refused)
        if name in stale and free and ancestors.intersection(stale).issubset(keys):
            keys[name] = stale[name]
    return keys


def _by_run(keys: dict[str, list[str]], catalogue: Catalogue) -> list[dict[str, list[str]]]:
    """The partitions that a job builds now, by run: a run for all of them.

    Evidence of an experiment is built over unbroken days: where its days have gaps, it is a run for each range, and the
    readout comes after all of them.
    """
    of_experiment = [name for name in keys if catalogue[name].partitioning is Partitioning.EXPERIMENT_DAY]
    for name in of_experiment:
        if len(ranges := runs_of_days(map(parse_day, keys[name]))) > 1:
            return [
                {name: [key for key in keys[name] if first.isoformat() <= key <= last.isoformat()]}
                for first, last in ranges
            ]
    return [{name: _rectangle(catalogue[name], of_asset) for name, of_asset in keys.items()}] if keys else []


def _rectangle(asset: Asset, keys: list[str]) -> list[str]:
    """The keys, or every pair of their markets and months: charts are written as months of markets."""
    if asset.partitioning is not Partitioning.MONTH_AND_MARKET:
        return keys
    markets, months = split_chart_keys(keys)
    return [chart_key(market, month) for market in markets for month in months]


def _bounds(keys: Mapping[str, list[str]], catalogue: Catalogue) -> Bounds:
    """The range of a run: all of its assets with partitions are partitioned alike."""
    partitioned = {key for name, of_asset in keys.items() if catalogue[name].is_partitioned for key in of_asset}
    if not partitioned:
        return None
    if any(catalogue[name].partitioning is Partitioning.MONTH_AND_MARKET for name in keys):
        markets, months = split_chart_keys(partitioned)
        return chart_key(markets[0], months[0]), chart_key(markets[-1], months[-1])
    return min(partitioned), max(partitioned)


def landing_runs(changed: Iterable[tuple[date, str, str]], catalogue: Catalogue) -> list[Run]:
    """The runs that land files (delivery date, path, signature): unbroken ranges of days, or one over all of them.

    Scattered days go together in one run: it reads new and changed files alone, whichever days it spans.
    """
    files = sorted(changed)
    days = runs_of_days(day for day, *_ in files)
    if len(days) > RANGES_APART:
        days = [(days[0][0], days[-1][1])]
    assets = catalogue.assets_of(LAND_FILES)
    runs = []
    for first, last in days:
        of_range = [file for file in files if first <= file[0] <= last]
        keys = dict.fromkeys(assets, sorted({day.isoformat() for day, *_ in of_range}))
        span = f"{first}{f' to {last}' if last > first else ''}"
        why = f"landing {span} changed: {_names([path for _, path, _ in of_range], len(of_range))}"
        runs.append(Run(LAND_FILES, assets, (first.isoformat(), last.isoformat()), keys, why, repr(of_range)))
    return runs


def rounds(plan: Plan, history: History, watermarks: Watermarks, catalogue: Catalogue, today: date) -> list[list[Run]]:
    """All runs that a plan comes to, round after round, if each of them succeeds: what `umg run --explain` prints."""
    stale, built = dict(plan.partitions), {asset: dict(keys) for asset, keys in watermarks.items()}
    planned: list[list[Run]] = []
    while runs := next_runs(stale, history, built, catalogue):
        planned.append(runs)
        for asset in {asset for run in runs for asset in run.assets}:
            built.setdefault(asset, {}).update(dict.fromkeys(stale.pop(asset), Watermark(history.sequence, today)))
    return planned


def _names(paths: Sequence[str], number: int) -> str:
    names = [path.rpartition("/")[2] for path in paths[:_NAMED]]
    return ", ".join(names) + (f" and {number - _NAMED} more" if number > _NAMED else "")


def _why(history: History, watermarks: Watermarks, keys: Mapping[str, list[str]]) -> tuple[str, Watermark]:
    """Which deliveries the partitions have not seen, for people; and how far the ledger reaches."""
    built = [watermarks.get(asset, {}).get(key, NEVER) for asset, partitions in keys.items() for key in partitions]
    since = Watermark(history.sequence, max((watermark.day for watermark in built), default=date.min))
    seen = min((watermark.sequence for watermark in built if watermark != NEVER), default=NEVER.sequence)
    if NEVER in built and seen == history.sequence:
        seen = NEVER.sequence
    days, number, paths = history.unseen(seen, _NAMED)
    if not days:
        return "a new day has begun, or the partitions were asked for", since
    span = f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}"
    return f"landing {span} touched them: {_names(paths, number)}", since
