"""Users: their attributes, how these change, and the deliveries of each user."""

from dataclasses import dataclass

import numpy as np

from umg_assets.generator.world import AGE_BOUNDS, AGE_GROUPS, World, calendar_parts

NEVER = 32_000
"""A day index after the end of any world."""
NO_DATE = -200_000
"""Stands for an unknown birth date, in days since 1970."""

_AGE_WEIGHTS = np.array([0.08, 0.22, 0.27, 0.18, 0.12, 0.08, 0.05])
_OLDEST = 90


@dataclass(frozen=True)
class People:
    """Users by number; those numbered `known` and above play but are in no users file.

    market, age_group: indices that determine a user's taste; joined: the first day (index) on which a user plays.
    Delivered rows, sorted by user and day: row_user, row_day (index of the delivery day), row_country (index),
    row_birth (days since 1970, or NO_DATE), row_age_group (index, or -1), row_signed_up (days since 1970).
    first_row: by user, the index of its first row. moved: how many users change country.
    """

    known: int
    market: np.ndarray
    age_group: np.ndarray
    joined: np.ndarray
    row_user: np.ndarray
    row_day: np.ndarray
    row_country: np.ndarray
    row_birth: np.ndarray
    row_age_group: np.ndarray
    row_signed_up: np.ndarray
    first_row: np.ndarray
    moved: int

    def row_on(self, user: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The delivered row that is valid for each user on each day (index): the latest by then, else the first.

        -1 for users who are never delivered.
        """
        row = np.full(len(user), -1, np.int64)
        known = user < self.known
        row[known] = self.first_row[user[known]]
        several = np.diff(np.append(self.first_row, len(self.row_user))) > 1
        lookups = np.flatnonzero(known)
        lookups = lookups[several[user[lookups]]]
        keys = self.row_user.astype(np.int64) * NEVER + self.row_day
        wanted = user[lookups].astype(np.int64) * NEVER + np.clip(day[lookups], 0, NEVER - 1)
        latest = np.searchsorted(keys, wanted, side="right") - 1
        row[lookups] = np.maximum(latest, self.first_row[user[lookups]])
        return row

    def country_on(self, user: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The country (index) of each user on each day (index); -1 for users who are never delivered."""
        row = self.row_on(user, day)
        return np.where(row < 0, -1, self.row_country[row]).astype(np.int8)

    def age_group_on(self, row: np.ndarray, local_date: np.ndarray) -> np.ndarray:
        """The age group (index, -1: unknown) that each row (row_on) has on a local date (days since 1970).

        Age is in completed years, and the birthday itself counts. A birthday on 29 February is on the 28th in years
        that are no leap years.
        """
        births = np.where(self.row_birth == NO_DATE, 0, self.row_birth)
        row_year, row_monthday = calendar_parts(births)
        low = int(local_date.min()) if len(local_date) else 0
        dates = np.arange(low, (int(local_date.max()) if len(local_date) else 0) + 1)
        date_year, date_monthday = calendar_parts(dates)
        leap = (date_year % 4 == 0) & ((date_year % 100 != 0) | (date_year % 400 == 0))
        at = local_date - low
        monthday = row_monthday[row]
        monthday = np.where((monthday == 229) & ~leap[at], 228, monthday)
        age = date_year[at] - row_year[row] - (date_monthday[at] < monthday)
        group_of_age = np.searchsorted(AGE_BOUNDS, np.arange(_OLDEST + 60), side="right") - 1
        from_birth = group_of_age[np.clip(age, 0, len(group_of_age) - 1)]
        group = np.where(self.row_birth[row] == NO_DATE, self.row_age_group[row], from_birth)
        return np.where(row < 0, -1, group).astype(np.int8)


def make_people(world: World) -> People:
    """Users with market, age group and day of joining.

    15 % join later; 3 % (at least 8) move to another country, and 3 % (at least 8) get another birth date or age group.
    """
    rng = world.rng("people")
    calendar = world.calendar
    known = world.user_count
    total = known + max(3, known // 200)
    countries = len(world.markets)
    weights = 1 / np.arange(2, countries + 2) ** 0.7
    market = rng.choice(countries, total, p=weights / weights.sum()).astype(np.int8)
    age_group = rng.choice(len(AGE_GROUPS), total, p=_AGE_WEIGHTS).astype(np.int8)

    deltas = np.array(calendar.weekly(7))
    joined = np.where(rng.random(total) < 0.15, rng.integers(1, deltas[-1] + 1, total), 0)
    joined[known:] = 0
    first = np.where(joined == 0, 0, deltas[np.searchsorted(deltas, joined).clip(max=len(deltas) - 1)])[:known]
    signed_up = calendar.first + np.where(joined > 0, joined, -rng.integers(1, 2_000, total))[:known]

    birth = _birth_dates(world, rng, age_group[:known], calendar.first)
    birth_known = rng.random(known)
    later = first > 0
    has_group = later & (birth_known > 0.7) & (birth_known < 0.9)
    silent = np.where(later, birth_known >= 0.9, birth_known >= 0.92)
    has_birth = ~has_group & ~silent

    def changes(share: float) -> np.ndarray:
        """By user, the day of the delivery with a change; NEVER for most."""
        count = max(8, round(known * share))
        day = np.full(known, NEVER)
        chosen = rng.choice(known, count, replace=False)
        day[chosen] = rng.choice(deltas, count)
        return np.where(day > first, day, NEVER)

    moves = changes(0.03) if countries > 1 else np.full(known, NEVER)
    new_country = (market[:known] + rng.integers(1, max(2, countries), known)) % countries
    ages = changes(0.03)
    filled = rng.random(known) < 0.5

    days = np.concatenate([first, moves, ages])
    users = np.tile(np.arange(known), 3)
    pairs = np.unique((users.astype(np.int64) * (NEVER + 1) + days)[days < NEVER])
    row_user, row_day = (pairs // (NEVER + 1)).astype(np.int32), (pairs % (NEVER + 1)).astype(np.int32)
    aged = row_day >= ages[row_user]
    shows_birth = np.where(aged, filled[row_user], has_birth[row_user])
    shows_group = np.where(aged, ~filled[row_user], has_group[row_user])
    return People(
        known=known,
        market=market,
        age_group=age_group,
        joined=joined.astype(np.int32),
        row_user=row_user,
        row_day=row_day,
        row_country=np.where(row_day >= moves[row_user], new_country[row_user], market[row_user]).astype(np.int8),
        row_birth=np.where(shows_birth, birth[row_user], NO_DATE),
        row_age_group=np.where(shows_group, age_group[row_user], -1).astype(np.int8),
        row_signed_up=signed_up[row_user],
        first_row=np.searchsorted(row_user, np.arange(known)),
        moved=int((moves < NEVER).sum()),
    )


def _birth_dates(world: World, rng: np.random.Generator, age_group: np.ndarray, on: int) -> np.ndarray:
    """Birth dates (days since 1970) that give the age groups on day `on`; a few are on 29 February, none under 13."""
    lower = np.array(AGE_BOUNDS)[age_group]
    upper = np.array([*AGE_BOUNDS[1:], _OLDEST])[age_group]
    age = lower + rng.random(len(age_group)) * (upper - lower)
    birth = on - np.floor(age * 365.25).astype(np.int64) - 2
    leap_years = np.arange(1940, world.first_day.year - 13, 4)
    leap_days = (leap_years - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64) + 59
    on_leap_day = rng.random(len(age_group)) < 0.004
    on_leap_day[:2] = True
    return np.where(on_leap_day, rng.choice(leap_days, len(age_group)), birth)
