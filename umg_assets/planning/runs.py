"""In which runs stale partitions are built, which may start now: `umg run`, sensors and schedule all ask here. Pure.

A run is some assets of one job over one unbroken range of their partitions. An asset may run when nothing that it
follows from is stale, running or refused by a check: so nobody reads half of a backfill, and exports come last.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from umg_assets.calendar import chart_key, parse_day, runs_of_days, runs_of_months, split_chart_keys
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.graph import WHOLE, Asset, Partitioning
from umg_assets.planning.history import Entry, History
from umg_assets.planning.required import Plan
from umg_assets.planning.watermark import NEVER, Watermark, Watermarks

RANGES_APART = 3
"""Over so many ranges of partitions a run of each, in a process of its own, takes longer than what it computes."""
TRIES = 3
"""After so many failed runs of the same work it is asked for once a day, before that once an hour."""
_NAMED = 3

Bounds = tuple[str, str] | None
"""The first and the last key of an unbroken range of partitions; None for an asset without partitions."""


@dataclass(frozen=True)
class Run:
    """A run to start: some assets of a job, over a range of partitions.

    keys: by asset, the stale partitions in the range. why: what asks for it, for people. fingerprint: the same for the
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
        """The fingerprint, short enough for a tag: 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self.fingerprint.encode()).hexdigest()[:16]


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
    a blocking check failed. Assets of a job whose stale partitions are the same unbroken range go together, what they
    are made of first.
    """
    runs: list[Run] = []
    for job, names in catalogue.jobs.items():
        for group in _groups(names, stale, catalogue, busy, refused):
            first = catalogue[group[0]]
            why, since = _why(history, watermarks, {name: stale[name] for name in group})
            for bounds, keys in ranges(first, stale[first.name]):
                of_range = {name: keys if stale[name] == stale[first.name] else stale[name] for name in group}
                fingerprint = f"{job}:{'+'.join(group)}:{bounds}:{since}"
                runs.append(Run(job, tuple(group), bounds, of_range, why, fingerprint))
    return runs


def _groups(
    names: Sequence[str],
    stale: Mapping[str, list[str]],
    catalogue: Catalogue,
    busy: Collection[str],
    refused: Collection[str],
) -> list[list[str]]:
    """The assets of a job that may run now, those that one run can build together."""
    groups: list[list[str]] = []
    for name in names:
        ancestors = catalogue.ancestors(name)
        if name not in stale or name in busy or ancestors.intersection(busy) or ancestors.intersection(refused):
            continue
        waits_for = ancestors.intersection(stale)
        group = next(
            (
                group
                for group in groups
                if waits_for.issubset(group) and _fit_together(catalogue[group[0]], catalogue[name], stale)
            ),
            None,
        )
        if group:
            group.append(name)
        elif not waits_for:
            groups.append([name])
    return groups


def _fit_together(first: Asset, asset: Asset, stale: Mapping[str, list[str]]) -> bool:
    """Whether one run can build both: one and the same range, the same days where a day needs no other, or exports."""
    same = stale[asset.name] == stale[first.name] or stale[asset.name] == [WHOLE]
    return same and (asset.is_day_by_day or len(ranges(first, stale[first.name])) == 1)


def ranges(asset: Asset, keys: Sequence[str]) -> list[tuple[Bounds, list[str]]]:
    """The partitions of an asset as unbroken ranges, each with those of the keys that lie in it."""
    if not keys:
        return []
    match asset.partitioning:
        case Partitioning.NONE:
            return [(None, list(keys))]
        case Partitioning.MARKET:
            return [((min(keys), max(keys)), list(keys))]
        case Partitioning.MONTH_AND_MARKET:
            markets, months = split_chart_keys(keys)
            return [
                (
                    (chart_key(markets[0], first), chart_key(markets[-1], last)),
                    [key for key in keys if first.isoformat() <= key.partition("|")[2] <= last.isoformat()],
                )
                for first, last in runs_of_months(months)
            ]
        case Partitioning.MONTH:
            return list(_within(runs_of_months(map(parse_day, keys)), keys))
    return list(_within(runs_of_days(map(parse_day, keys)), keys))


def _within(bounds: Iterable[tuple[date, date]], keys: Sequence[str]) -> Iterator[tuple[Bounds, list[str]]]:
    for first, last in ((first.isoformat(), last.isoformat()) for first, last in bounds):
        yield (first, last), [key for key in keys if first <= key <= last]


def scattered(runs: Iterable[Run]) -> bool:
    """Whether a job among them has over RANGES_APART runs: late plays that lie here and there."""
    return any(count > RANGES_APART for count in Counter(run.job for run in runs).values())


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
        why = f"landing {span} changed: {_names([path for _, path, _ in of_range])}"
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


def _names(paths: Sequence[str]) -> str:
    names = [path.rpartition("/")[2] for path in paths[:_NAMED]]
    return ", ".join(names) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def _why(history: History, watermarks: Watermarks, keys: Mapping[str, list[str]]) -> tuple[str, Watermark]:
    """Which deliveries the partitions have not seen, for people; and how far the ledger reaches."""
    built = [watermarks.get(asset, {}).get(key, NEVER) for asset, partitions in keys.items() for key in partitions]
    oldest = min((watermark.sequence for watermark in built), default=NEVER.sequence)
    unseen: dict[tuple[date, str], Entry] = {
        (entry.delivery_date, entry.path): entry for entry in history.entries if entry.sequence > oldest
    }
    since = Watermark(history.sequence, max((watermark.day for watermark in built), default=date.min))
    if not unseen:
        return "a new day has begun, umg.toml leaves partitions out, or they were asked for", since
    days = sorted({entry.delivery_date for entry in unseen.values()})
    span = f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}"
    return f"landing {span} touched them: {_names([path for _, path in unseen])}", since
