"""In which runs stale partitions are made, and which may start now: what `umg run`, sensors and schedule all ask. Pure.

A run is some assets of one job over one unbroken range of their partitions. An asset may run when nothing that it
follows from is stale, running or refused by a check: so nobody reads half of a backfill, and exports come last.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from umg_assets.experiments.days import days_asset, readout_asset
from umg_assets.partitions import chart_key, runs_of_days, runs_of_months, split_chart_keys
from umg_assets.planning import (
    BY_MARKET,
    CHARTS,
    DAILY,
    DIMENSIONS,
    EXPORTED,
    EXPORTS,
    MEASURES,
    MONTHLY,
    NEVER,
    PLANNED,
    WHOLE,
    WINDOWS,
    Plan,
    Stamp,
    Stamps,
)
from umg_assets.resources.ledger import Entry, History

LAND = "land_files"
RAW: tuple[str, ...] = ("deliveries", "raw_plays", "raw_users", "raw_tracks", "raw_app_events", "quarantine")
STAGES: dict[str, tuple[str, ...]] = {
    "update_dimensions": DIMENSIONS,
    "build_days": DAILY,
    "sum_months": MONTHLY,
    "rank_tracks": CHARTS,
    "publish": (*BY_MARKET, EXPORTS),
}
"""The jobs after landing, in order, each with its assets: of one partitioning, so that a range is one run."""

MEASURE = "measure_days"
_READ = "read_"


def stages(experiments: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """STAGES, and after them, where there are experiments, what all of them read, and a job for each."""
    jobs = {f"{_READ}{name}": (days_asset(name), readout_asset(name)) for name in experiments}
    return {**STAGES, **({MEASURE: MEASURES} if jobs else {}), **jobs}


def assets_of(job: str) -> tuple[str, ...]:
    """The assets of a job."""
    name = job.removeprefix(_READ)
    return {LAND: RAW, **stages([name])}.get(job, ())


UPSTREAM: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(DIMENSIONS, RAW),
    "plays": (*RAW, *DIMENSIONS),
    "sessions": ("plays",),
    "daily_track_plays": ("plays",),
    "monthly_track_plays": ("plays",),
    "top_tracks_by_country": ("monthly_track_plays", "tracks"),
    "chart_movements": ("top_tracks_by_country",),
    **dict.fromkeys(WINDOWS, ("daily_track_plays", "tracks")),
    EXPORTS: EXPORTED,
}
"""By planned asset, what it is made of."""

DAY_BY_DAY = ("daily_track_plays", "user_days")
"""Daily assets of which a day is made of the same day alone."""

RANGES_APART = 3
"""Over so many ranges of partitions a run of each, in a process of its own, takes longer than what it computes."""
_NAMED = 3


@dataclass(frozen=True)
class Run:
    """A run to start: some assets of a job, over a range of partitions (first key, last key; None: no partitions).

    why: what asks for it, for people. fingerprint: the same for the same work, another once there is other work.
    """

    job: str
    assets: tuple[str, ...]
    bounds: tuple[str, str] | None
    keys: dict[str, list[str]] = field(compare=False)
    why: str = field(compare=False)
    fingerprint: str = field(compare=False)


def upstream(experiments: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """UPSTREAM, with what experiments read and what is made of it."""
    measured = {"visits": ("plays", *RAW), "user_days": ("visits",), "exposure_days": RAW}
    own = {days_asset(name): ("visits", "exposure_days") for name in experiments}
    own |= {readout_asset(name): (days_asset(name),) for name in experiments}
    return {**UPSTREAM, **(measured | own if own else {})}


def ancestors(asset: str, above: Mapping[str, tuple[str, ...]] = UPSTREAM) -> set[str]:
    """Everything that an asset follows from; above: by asset, what it is made of."""
    own = above.get(asset, ())
    return set(own).union(*(ancestors(one, above) for one in own))


def next_runs(
    todo: Plan,
    history: History,
    stamps: Stamps,
    busy: Collection[str] = (),
    refused: Collection[str] = (),
    experiments: Iterable[str] = (),
) -> list[Run]:
    """The runs that may start now, in order; after them the next ones follow from a new plan.

    busy: assets that a run or a backfill under way is making; refused: those of which a blocking check failed.
    Assets of a job whose stale partitions are the same unbroken range go together, what they are made of first.
    """
    stale = todo.partitions
    runs: list[Run] = []
    made_of = upstream(experiments)
    for job, assets in stages(experiments).items():
        groups: list[list[str]] = []
        for asset in assets:
            if asset not in stale or asset in busy:
                continue
            above = ancestors(asset, made_of)
            waits_for = above.intersection(stale)
            if above.intersection(busy) or above.intersection(refused):
                continue
            group = next((one for one in groups if waits_for <= set(one) and _together(one[0], asset, stale)), None)
            if group:
                group.append(asset)
            elif not waits_for:
                groups.append([asset])
        for group in groups:
            keys = {asset: stale[asset] for asset in group}
            why, since = _why(history, stamps, keys)
            for bounds in ranges(group[0], stale[group[0]]):
                runs.append(Run(job, tuple(group), bounds, keys, why, f"{job}:{'+'.join(group)}:{bounds}:{since}"))
    return runs


def _together(first: str, asset: str, stale: dict[str, list[str]]) -> bool:
    """Whether one run can make both: of the same one range, of the same days where a day needs no other, or exports."""
    same = stale[asset] == stale[first] or stale[asset] == [WHOLE]
    return same and (asset in DAY_BY_DAY or len(ranges(first, stale[first])) == 1)


def ranges(asset: str, keys: Sequence[str]) -> list[tuple[str, str] | None]:
    """The partitions of an asset as unbroken ranges (first key, last key); None for an asset without partitions."""
    if asset in (*DAILY, *MEASURES) or (keys and asset not in PLANNED and list(keys) != [WHOLE]):
        return [(a.isoformat(), b.isoformat()) for a, b in runs_of_days(date.fromisoformat(key) for key in keys)]
    if asset in BY_MARKET:
        return [(min(keys), max(keys))] if keys else []
    if asset in MONTHLY:
        return [(a.isoformat(), b.isoformat()) for a, b in runs_of_months(date.fromisoformat(key) for key in keys)]
    if asset in CHARTS:
        markets, months = split_chart_keys(keys)
        return [(chart_key(markets[0], first), chart_key(markets[-1], last)) for first, last in runs_of_months(months)]
    return [None]


def scattered(runs: Iterable[Run]) -> bool:
    """Whether a job among them has over RANGES_APART runs: late plays that lie here and there."""
    return any(count > RANGES_APART for count in Counter(run.job for run in runs).values())


def landing_runs(changed: Iterable[tuple[date, str, str]]) -> list[Run]:
    """The runs that land files (delivery date, path, signature): unbroken ranges of days, or one over all of them.

    Scattered days go together in one run: it reads new and changed files alone, whichever days it spans.
    """
    files = sorted(changed)
    days = runs_of_days(day for day, *_ in files)
    if len(days) > RANGES_APART:
        days = [(days[0][0], days[-1][1])]
    runs = []
    for first, last in days:
        own = [file for file in files if first <= file[0] <= last]
        keys = dict.fromkeys(RAW, sorted({day.isoformat() for day, *_ in own}))
        why = f"landing {first}{f' to {last}' if last > first else ''} changed: {_names([path for _, path, _ in own])}"
        runs.append(Run(LAND, RAW, (first.isoformat(), last.isoformat()), keys, why, repr(own)))
    return runs


def _names(paths: Sequence[str]) -> str:
    names = [path.rpartition("/")[2] for path in paths[:_NAMED]]
    return ", ".join(names) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def _why(history: History, stamps: Stamps, keys: dict[str, list[str]]) -> tuple[str, Stamp]:
    """Which deliveries the partitions have not seen, for people; and how far the ledger reaches."""
    built = [stamps.get(asset, {}).get(key, NEVER) for asset, own in keys.items() for key in own]
    oldest = min((stamp.sequence for stamp in built), default=NEVER.sequence)
    unseen: dict[tuple[date, str], Entry] = {
        (entry.delivery_date, entry.path): entry for entry in history.entries if entry.sequence > oldest
    }
    since = Stamp(history.sequence, max((stamp.day for stamp in built), default=date.min))
    if not unseen:
        return "a new day has begun, or the partitions were asked for", since
    days = sorted({entry.delivery_date for entry in unseen.values()})
    said = f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}"
    return f"landing {said} touched them: {_names([path for _, path in unseen])}", since
