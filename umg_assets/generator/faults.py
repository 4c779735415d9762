"""The file in which each play is delivered, and deliveries that are late, repeated or corrected."""

from dataclasses import dataclass, field

import numpy as np

from umg_assets.generator.people import People
from umg_assets.generator.plays import Plays
from umg_assets.generator.world import CORRECTION_DAYS, CSV, DAY_MS, JSONL, PARQUET, World

_LATE, _VERY_LATE, _REPEATED, _CORRECTED = 0.008, 0.0003, 0.003, 0.001
_VERY_LATE_DAYS = 40
_LATE_SUFFIXES = ("csv.gz", "csv.zst", "csv.bz2")


@dataclass(frozen=True)
class File:
    """A plays file: its path under landing/, delivery day (index) and layout (CSV, JSONL, PARQUET).

    again: the path of a second delivery of the same bytes on the same day, or "".
    """

    path: str
    day: int
    layout: int
    again: str = ""


@dataclass
class Deliveries:
    """Good rows as delivered, sorted by file: file f holds rows[start[f]:start[f + 1]]; planted: faults by kind."""

    files: list[File]
    rows: Plays
    start: np.ndarray
    planted: dict[str, int]


@dataclass
class _Plan:
    """The files, and the good rows so far with the index of the file for each.

    regular, late: by day, as list_files gives them; file: by play; used: by play, whether it has a fault already;
    extra, extra_file: additional copies and their files; planted: faults by kind.
    """

    world: World
    files: list[File]
    regular: np.ndarray
    late: np.ndarray
    plays: Plays
    file: np.ndarray
    used: np.ndarray
    extra: list[Plays] = field(default_factory=list)
    extra_file: list[np.ndarray] = field(default_factory=list)
    planted: dict[str, int] = field(default_factory=dict)


def list_files(world: World) -> tuple[list[File], np.ndarray, np.ndarray]:
    """All plays files; by day, the index of the first regular file and of the file of late plays (-1: none)."""
    rng = world.rng("files")
    calendar = world.calendar
    eras = np.array([calendar.era(day) for day in range(world.days)])
    twice = {int(rng.choice(np.flatnonzero(eras == era))) for era in (CSV, JSONL, PARQUET)}
    late_days = {int(rng.choice(days[days > 0])) for days in np.array_split(np.arange(world.days), 3) if max(days) > 0}
    late_days |= set(rng.choice(np.arange(1, world.days), world.days // 12, replace=False).tolist())
    files: list[File] = []
    regular, late = np.zeros(world.days, np.int64), np.full(world.days, -1)
    for day in range(world.days):
        date, regular[day] = calendar.iso(day), len(files)
        again = ".again" if day in twice else ""
        if eras[day] == CSV:
            files.append(File(f"plays/plays_{date}.csv.gz", day, CSV, again and f"plays/plays_{date}.again.csv.gz"))
        elif eras[day] == JSONL:
            files.append(File(f"plays/plays_{date}.jsonl", day, JSONL, again and f"plays/plays_{date}.again.jsonl"))
        else:
            copy = again and f"plays/dt={date}/part-0000.again.parquet"
            files.append(File(f"plays/dt={date}/part-0000.parquet", day, PARQUET, copy))
            files.append(File(f"plays/dt={date}/part-0001.parquet", day, PARQUET))
        if day in late_days:
            late[day] = len(files)
            suffix = _LATE_SUFFIXES[len([d for d in late_days if d < day]) % len(_LATE_SUFFIXES)]
            files.append(File(f"plays/plays_{date}.late.{suffix}", day, CSV))
    return files, regular, late


def deliver(world: World, people: People, plays: Plays) -> Deliveries:
    """Assign every play to the file of its day, except for planted faults, of which a play has at most one.

    Late plays come 1 to 10 days late, a few over 40 days. Repeats are copies of a row in the same file or a later one.
    Corrections come within 35 days of the play, with another duration, start or event country. In worlds of more than
    40 days a few play_ids are reused more than 35 local days later. Rows with an event country are never put into a
    late file, whose layout has no such column.
    """
    files, regular, late = list_files(world)
    day = world.calendar.day_of(plays.start)
    plan = _Plan(world, files, regular, late, plays, np.zeros(0, np.int16), np.zeros(len(plays), bool))
    rng = world.rng("faults")
    plan.file = _regular_file(plan, day, plays.number)
    _come_late(plan, rng, day)
    _repeat(plan, rng, day)
    _correct(plan, people, rng, day)
    _reuse_ids(plan, rng, day)
    planted = plan.planted | {"file_delivered_twice": sum(bool(file.again) for file in files)}
    rows = Plays.concat([plays, *plan.extra])
    file = np.concatenate([plan.file, *plan.extra_file]).astype(np.int16)
    del plays, plan
    rows = rows.take(np.argsort(file, kind="stable"))
    start = np.concatenate([[0], np.cumsum(np.bincount(file, minlength=len(files)))])
    return Deliveries(files, rows, start, planted)


def _regular_file(plan: _Plan, day: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The regular file of each play's day; in the Parquet era plays alternate between the two parts."""
    eras = np.array([plan.world.calendar.era(d) for d in range(plan.world.days)])
    return (plan.regular[day] + ((eras[day] == PARQUET) & (number % 2 == 1))).astype(np.int16)


def _file_on(plan: _Plan, rng: np.random.Generator, day: np.ndarray, rows: Plays) -> np.ndarray:
    """A file delivered on each day; for half of the rows the day's late file, if it exists and can hold them."""
    file = _regular_file(plan, day, rows.number)
    to_late = (plan.late[day] >= 0) & (rows.country < 0) & (rng.random(len(day)) < 0.5)
    return np.where(to_late, plan.late[day], file).astype(np.int16)


def _pick(plan: _Plan, rng: np.random.Generator, share: float, allowed: np.ndarray, least: int = 3) -> np.ndarray:
    """Indices of plays that are allowed a fault and have none yet, about `share` of all plays; marks them as used."""
    wanted = max(least, round(len(plan.plays) * share))
    places = rng.choice(len(allowed), min(len(allowed), 4 * wanted + 64), replace=False)
    places = places[allowed[places] & ~plan.used[places]][:wanted]
    if len(places) < least:
        places = np.flatnonzero(allowed & ~plan.used)[:least]
    plan.used[places] = True
    return places


def _later(plan: _Plan, rng: np.random.Generator, day: np.ndarray, least: int, most: int) -> np.ndarray:
    """For each day a later delivery day: `least` to `most` days later, at most the world's last day."""
    return np.minimum(day + rng.integers(least, most + 1, len(day)), plan.world.days - 1)


def _come_late(plan: _Plan, rng: np.random.Generator, day: np.ndarray) -> None:
    last = plan.world.days - 1
    for kind, share, least, most in (
        ("late", _LATE, 1, 10),
        ("late_over_40_days", _VERY_LATE, _VERY_LATE_DAYS + 1, _VERY_LATE_DAYS + 20),
    ):
        chosen = _pick(plan, rng, share, day <= last - least)
        on = _later(plan, rng, day[chosen], least, most)
        plan.file[chosen] = _file_on(plan, rng, on, plan.plays.take(chosen))
        plan.planted[kind] = len(chosen)


def _repeat(plan: _Plan, rng: np.random.Generator, day: np.ndarray) -> None:
    chosen = _pick(plan, rng, _REPEATED, day >= 0)
    _add(plan, "repeat_in_the_same_file", plan.plays.take(chosen), plan.file[chosen])
    chosen = _pick(plan, rng, _REPEATED, day < plan.world.days - 1)
    rows = plan.plays.take(chosen)
    on = _later(plan, rng, day[chosen], 1, 20)
    _add(plan, "repeat_in_a_later_file", rows, _file_on(plan, rng, on, rows))


def _add(plan: _Plan, kind: str, rows: Plays, file: np.ndarray) -> None:
    plan.extra.append(rows)
    plan.extra_file.append(file.astype(np.int16))
    plan.planted[kind] = plan.planted.get(kind, 0) + len(rows)


def _correct(plan: _Plan, people: People, rng: np.random.Generator, day: np.ndarray) -> None:
    calendar, last = plan.world.calendar, plan.world.days - 1

    chosen = _pick(plan, rng, _CORRECTED, day < last)
    rows = plan.plays.take(chosen)
    rows.played = rows.played // 2 + rng.integers(1, 60_000, len(rows))
    on = _later(plan, rng, day[chosen], 1, 30)
    _add(plan, "correction_of_duration", rows, _file_on(plan, rng, on, rows))

    chosen = _pick(plan, rng, _CORRECTED, day < last, least=8)
    rows = plan.plays.take(chosen)
    before = calendar.local_date(rows.start)
    move = rng.integers(60_000, DAY_MS, len(rows))
    earlier = rows.start - move
    possible = (calendar.local_date(earlier) >= calendar.first) & (earlier >= calendar.start_ms)
    rows.start = np.where(possible & (rng.random(len(rows)) < 0.5), earlier, rows.start + move)
    on = _later(plan, rng, day[chosen], 1, 30)
    _add(plan, "correction_of_start", rows, _file_on(plan, rng, on, rows))
    plan.planted["correction_across_midnight"] = int((calendar.local_date(rows.start) != before).sum())

    countries = len(plan.world.markets)
    first_with_country = next(d for d in range(plan.world.days) if calendar.era(d) != CSV)
    chosen = _pick(plan, rng, _CORRECTED, (day >= first_with_country) & (day < last), least=3 if countries > 1 else 0)
    if countries > 1:
        rows = plan.plays.take(chosen)
        given = np.where(rows.country < 0, people.country_on(rows.user, day[chosen]), rows.country)
        rows.country = ((np.maximum(given, 0) + rng.integers(1, countries, len(rows))) % countries).astype(np.int8)
        on = _later(plan, rng, day[chosen], 1, 30)
        _add(plan, "correction_of_country", rows, _regular_file(plan, on, rows.number))

    _correct_twice(plan, rng, day)


def _correct_twice(plan: _Plan, rng: np.random.Generator, day: np.ndarray) -> None:
    """Plays corrected twice on one delivery day: in one file, where the later record counts, and in two files, where
    the later path counts."""
    late_days = np.flatnonzero(plan.late >= 0)
    on_late_day = int(late_days[-1])
    for kind, allowed in (
        ("corrected_twice_in_a_file", day < plan.world.days - 1),
        (
            "corrected_in_two_files_of_a_day",
            (day < on_late_day) & (day > on_late_day - CORRECTION_DAYS) & (plan.plays.country < 0),
        ),
    ):
        chosen = _pick(plan, rng, 1e-5, allowed)
        on = np.full(len(chosen), on_late_day) if "two" in kind else _later(plan, rng, day[chosen], 1, 5)
        first, second = plan.plays.take(chosen), plan.plays.take(chosen)
        first.played = first.played + 40_000
        second.played = second.played + 80_000
        file = _regular_file(plan, on, first.number)
        _add(plan, kind, first, file)
        plan.extra.append(second)
        plan.extra_file.append(plan.late[on].astype(np.int16) if "two" in kind else file)


def _reuse_ids(plan: _Plan, rng: np.random.Generator, day: np.ndarray) -> None:
    """Give a later play the play_id of one more than 36 days earlier: two plays, both of which count."""
    apart = CORRECTION_DAYS + 3
    early = _pick(plan, rng, 1e-5, day < plan.world.days - apart)
    reused = 0
    for place in early.tolist():
        least = int(np.searchsorted(day, day[place] + apart))
        later = int(rng.integers(min(least, len(day) - 1), len(day)))
        if later >= least and not plan.used[later]:
            plan.used[later] = True
            plan.plays.number[later] = plan.plays.number[place]
            reused += 1
    plan.planted["play_id_reused_after_35_days"] = reused
