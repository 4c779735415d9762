"""Plays as they happen: sessions of users, tracks to their taste, skipped or played to the end."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from umg_assets.generator.catalogue import GENRES, Catalogue
from umg_assets.generator.people import People
from umg_assets.generator.world import AGE_GROUPS, CSV, DAY_MS, STREAM_MS, World

_WEEKDAYS = np.array([0.95, 0.93, 0.95, 1.0, 1.2, 1.15, 0.9])
_HOURS = np.array(
    [1.5, 0.8, 0.5, 0.3, 0.3, 0.7, 2, 4, 5, 4.5, 4, 4, 4.5, 4.5, 4.2, 4.5, 5.5, 6.5, 7, 6.8, 6.2, 5.5, 4.5, 3]
)
_LONGEST_SESSION = 30
_CHUNK = 150_000
_UNKNOWN_USERS, _UNKNOWN_TRACKS, _TRAVELLING = 0.003, 0.002, 0.02


@dataclass
class Plays:
    """Rows of plays, column by column.

    number: identifies the play (its play_id follows from it). user, track: numbers. session: counts from 1 for each
    user. start: milliseconds since 1970, UTC. played: milliseconds. country: index of the play's country, -1: none.
    """

    number: np.ndarray
    user: np.ndarray
    session: np.ndarray
    track: np.ndarray
    start: np.ndarray
    played: np.ndarray
    country: np.ndarray

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: np.ndarray | slice) -> "Plays":
        """The rows with these indices, in this order."""
        return Plays(**{name: column[rows] for name, column in vars(self).items()})

    @staticmethod
    def concat(parts: "list[Plays]") -> "Plays":
        """All rows of all parts, in order."""
        return Plays(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True)
class _Sessions:
    """One row for each session.

    user: number; begin: milliseconds since 1970, UTC; length: plays; travelling: index of another country, or -1.
    """

    user: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    travelling: np.ndarray


def make_plays(world: World, people: People, catalogue: Catalogue, threads: int) -> Plays:
    """world.plays plays, sorted by start; all start within the world's UTC days, none before its first local date."""
    sessions = _draw_sessions(world, people)
    tastes = _tastes(world)
    slices = [slice(at, at + _CHUNK) for at in range(0, len(sessions.user), _CHUNK)]

    def expand(part: int) -> Plays:
        rows = slices[part]
        chunk = _Sessions(**{name: column[rows] for name, column in vars(sessions).items()})
        return _expand(world, people, catalogue, tastes, chunk, world.rng("plays", part))

    with ThreadPoolExecutor(threads) as pool:
        plays = Plays.concat(list(pool.map(expand, range(len(slices)))))
    first = np.cumsum(sessions.length) - sessions.length
    plays.session = np.repeat(_count_sessions(sessions.user, plays.start[first]), sessions.length)
    plays = plays.take(np.argsort(plays.start, kind="stable"))
    plays.number = np.arange(len(plays), dtype=np.int64)
    return plays


def _draw_sessions(world: World, people: People) -> _Sessions:
    rng = world.rng("sessions")
    calendar = world.calendar
    lengths = np.minimum(rng.geometric(0.16, world.plays), _LONGEST_SESSION)
    count = int(np.searchsorted(np.cumsum(lengths), world.plays)) + 1
    lengths = lengths[:count]
    lengths[-1] -= int(lengths.sum()) - world.plays

    weekday = (calendar.first + 3 + np.arange(world.days)) % 7
    weights = _WEEKDAYS[weekday] * np.linspace(0.9, 1.1, world.days)
    day = np.sort(rng.choice(world.days, count, p=weights / weights.sum()))
    hour = np.searchsorted(np.cumsum(_HOURS / _HOURS.sum())[:-1], rng.random(count), side="right")
    local_ms = hour * 3_600_000 + rng.integers(0, 3_600_000, count)
    midnight = calendar.start_ms + day * DAY_MS
    begin = midnight + (local_ms - calendar.offset_ms(midnight + DAY_MS // 2)) % DAY_MS

    active = np.cumsum(rng.permutation(1 / np.arange(10, people.known + 10) ** 0.5))
    user = np.searchsorted(active, rng.random(count) * active[-1]).astype(np.int32)
    settled = np.flatnonzero(people.joined[: people.known] == 0)
    early = people.joined[user] > day
    user[early] = rng.choice(settled, int(early.sum()))
    strangers = _some(rng, count, _UNKNOWN_USERS)
    user[strangers] = rng.integers(people.known, len(people.market), len(strangers))

    travelling = np.full(count, -1, np.int8)
    countries = len(world.markets)
    if countries > 1:
        abroad = _some(rng, count, _TRAVELLING)
        home = people.country_on(user[abroad], day[abroad])
        travelling[abroad] = (np.maximum(home, 0) + rng.integers(1, countries, len(abroad))) % countries
    return _Sessions(user, begin, lengths.astype(np.int32), travelling)


def _some(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """About a `share` of the indices below count, at least two."""
    return rng.choice(count, max(2, round(count * share)), replace=False)


def _count_sessions(users: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """The number of each session among its user's sessions, from 1, in the order of their begins."""
    order = np.lexsort((begins, users))
    user = users[order]
    first = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
    nth = np.arange(len(user)) - np.repeat(first, np.diff(np.append(first, len(user)))) + 1
    counted = np.empty(len(user), np.int32)
    counted[order] = nth
    return counted


def _tastes(world: World) -> np.ndarray:
    """Cumulative genre shares; row market * len(AGE_GROUPS) + age_group is the taste of that market and age group."""
    rng = world.rng("tastes")
    by_market = rng.gamma(2.5, size=(len(world.markets), 1, len(GENRES)))
    by_age = rng.gamma(1.5, size=(1, len(AGE_GROUPS), len(GENRES)))
    shares = np.sqrt(by_market * by_age).reshape(-1, len(GENRES)) + 0.02
    return np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)


def _expand(
    world: World,
    people: People,
    catalogue: Catalogue,
    tastes: np.ndarray,
    sessions: _Sessions,
    rng: np.random.Generator,
) -> Plays:
    """The plays of some sessions, in order of the sessions; `number` and `session` are not set yet."""
    calendar = world.calendar
    of = np.repeat(np.arange(len(sessions.user)), sessions.length)
    user = sessions.user[of]
    begin_day = calendar.day_of(sessions.begin)
    track = _choose_tracks(people, catalogue, tastes, user, begin_day[of], rng)
    played = _listen(catalogue.duration_ms[track], rng)
    gap = np.minimum(rng.exponential(3_000, len(of)), 1_200_000).astype(np.int64)
    pauses = rng.random(len(of)) < 0.03
    gap[pauses] = rng.integers(60_000, 1_200_000, int(pauses.sum()))

    passed = np.cumsum(played + gap) - (played + gap)
    first = np.cumsum(sessions.length) - sessions.length
    start = sessions.begin[of] + passed - passed[first][of]
    begin = start[first]
    end = start[first + sessions.length - 1]
    shift = np.where(end >= calendar.end_ms, -DAY_MS, 0)
    shift[calendar.local_date(begin) < calendar.first] = DAY_MS
    start += shift[of]
    whole = rng.random(len(of)) < 0.4
    start[whole] -= start[whole] % 1_000

    country = sessions.travelling[of]
    eras = np.array([calendar.era(day) for day in range(world.days)])
    country = np.where(eras[calendar.day_of(start)] == CSV, -1, country).astype(np.int8)
    return Plays(
        number=np.zeros(len(of), np.int64),
        user=user,
        session=np.zeros(len(of), np.int32),
        track=track.astype(np.int32),
        start=start,
        played=played,
        country=country,
    )


def _choose_tracks(
    people: People,
    catalogue: Catalogue,
    tastes: np.ndarray,
    user: np.ndarray,
    day: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A genre by market and age group, then a track by its popularity; a third follow the market's favourites."""
    market = people.market[user].astype(np.int64)
    cell = market * len(AGE_GROUPS) + people.age_group[user]
    flat = (tastes + np.arange(len(tastes))[:, None]).ravel()
    genre = np.searchsorted(flat, cell + rng.random(len(user)), side="right") - cell * len(GENRES)
    genre = np.clip(genre, 0, len(GENRES) - 1)
    start, size = catalogue.genre_start[genre], np.diff(catalogue.genre_start)[genre]
    rank = np.searchsorted(catalogue.popularity, genre + rng.random(len(user)), side="right") - start
    local = rng.random(len(user)) < 0.33
    rank = np.where(local, rank + market * 3 + 1, rank) % size
    track = catalogue.ranked[start + rank]
    unreleased = np.flatnonzero(catalogue.released[track] > day)
    track[unreleased] = genre[unreleased] + len(GENRES) * rng.integers(0, 2, len(unreleased))
    unknown = rng.choice(len(user), round(len(user) * _UNKNOWN_TRACKS), replace=False)
    track[unknown] = rng.integers(catalogue.known, catalogue.total, len(unknown))
    return track


def _listen(duration_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Milliseconds played: a quarter skip within 30 seconds, a fifth stop later, the rest play to the end or nearly."""
    how, part = rng.random(len(duration_ms)), rng.random(len(duration_ms))
    skipped = 400 + part**2 * (STREAM_MS - 401)
    on_the_way = STREAM_MS + part * (0.94 * duration_ms - STREAM_MS)
    nearly = duration_ms * (0.95 + 0.05 * part)
    played = np.where(how < 0.25, skipped, np.where(how < 0.45, on_the_way, nearly)).astype(np.int64)
    return np.where(how > 0.6, duration_ms, played)
