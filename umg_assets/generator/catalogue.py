"""Tracks: genres, artists, titles, popularity, and the deliveries of each track."""

from dataclasses import dataclass

import numpy as np

from umg_assets.generator.world import World

GENRES = (
    "Pop", "Hip-Hop", "Rock", "Electronic", "Schlager", "Indie", "Jazz", "Classical", "Metal", "R&B", "Folk", "Latin",
)  # fmt: skip
_GENRE_WEIGHTS = np.array([0.2, 0.15, 0.13, 0.11, 0.08, 0.08, 0.05, 0.05, 0.05, 0.04, 0.03, 0.03])
_FIRST = (
    "Golden", "Silent", "Electric", "Paper", "Midnight", "Northern", "Broken", "Velvet", "Distant", "Little", "Wild",
    "Crystal", "Hidden", "Blue", "Burning", "Grüne", "Žluté", "Łódzka", "Előző", "Čierny",
)  # fmt: skip
_SECOND = (
    "River", "Heart", "Parade", "Window", "Summer", "Engine", "Garden", "Mirror", "Signal", "Winter", "Harbour",
    "Lanterns", "Gravity", "Carousel", "Radio", "Straße", "Řeka", "Ulica", "Éjszaka", "Pesem",
)  # fmt: skip
_ODD_TITLES = (
    'Say "{}", Again', "{}, Part II", "{}\n(Live in Wien)", '"{}"', "{} – Remix 🎧", "{}; or, The Other Way",
    "{}'s Song", "音楽 {}",
)  # fmt: skip


@dataclass(frozen=True)
class TrackRow:
    """One delivered row of the catalogue: delivery day index, track number, title, duration in milliseconds."""

    day: int
    track: int
    title: str
    duration_ms: int


@dataclass(frozen=True)
class Catalogue:
    """Tracks by number; those numbered `known` and above are played but are in no tracks file.

    genre, artist: by track, index of the genre and number of the artist. duration_ms: by track, as players measure it.
    released: by track, the first day (index) on which it is played. artist_names: by artist. ranked: track numbers by
    genre, most popular first; genre_start: where each genre begins in `ranked`, then the end. popularity: cumulative
    shares of plays within each genre, those of genre g between g and g + 1. rows: the delivered rows, by day.
    retitled, durations_corrected: numbers of tracks.
    """

    known: int
    total: int
    genre: np.ndarray
    artist: np.ndarray
    duration_ms: np.ndarray
    released: np.ndarray
    artist_names: list[str]
    ranked: np.ndarray
    genre_start: np.ndarray
    popularity: np.ndarray
    rows: list[TrackRow]
    retitled: int
    durations_corrected: int

    def latest(self) -> list[TrackRow]:
        """The row delivered last of each track, by track number."""
        last: dict[int, TrackRow] = {row.track: row for row in self.rows}
        return [last[track] for track in range(self.known)]


def make_catalogue(world: World) -> Catalogue:
    """Tracks with Zipf popularity within their genre; 10 % are released later, a few get a new title or duration."""
    rng = world.rng("catalogue")
    known = world.track_count
    total = known + max(3, known // 300)
    genre = rng.choice(len(GENRES), total, p=_GENRE_WEIGHTS)
    genre[: 2 * len(GENRES)] = np.tile(np.arange(len(GENRES)), 2)
    artists_a_genre = np.maximum(1, np.bincount(genre) // 6)
    artist_start = np.concatenate([[0], np.cumsum(artists_a_genre)])
    artist = artist_start[genre] + (rng.random(total) ** 1.6 * artists_a_genre[genre]).astype(np.int64)
    duration_ms = np.clip(rng.normal(215_000, 55_000, total), 75_000, 480_000).astype(np.int64)

    shuffled = rng.permutation(known)
    ranked = shuffled[np.argsort(genre[shuffled], kind="stable")]
    sizes = np.bincount(genre[:known], minlength=len(GENRES))
    genre_start = np.concatenate([[0], np.cumsum(sizes)])
    popularity = np.concatenate([g + _zipf(size) for g, size in enumerate(sizes)])

    deltas = np.array(world.calendar.weekly(4))
    released = np.zeros(total, np.int32)
    new = np.flatnonzero(rng.random(known) < 0.1)
    new = new[new >= 2 * len(GENRES)]
    released[new] = rng.choice(deltas, len(new))

    titles = _titles(rng, known)
    rows = [TrackRow(int(released[t]), t, titles[t], int(duration_ms[t])) for t in range(known)]
    old = rng.permutation(np.flatnonzero(released[:known] == 0))
    retitle, measure = old[: max(2, known // 400)], old[-2:]
    latest = {int(t): rows[t] for t in (*retitle, *measure)}
    for t in retitle.tolist():
        latest[t] = TrackRow(int(rng.choice(deltas)), t, f"{titles[t]} (Remastered)", latest[t].duration_ms)
        rows.append(latest[t])
    for t in measure.tolist():
        rows.append(TrackRow(int(rng.choice(deltas)), t, titles[t], int(duration_ms[t] * 0.9)))
    rows.sort(key=lambda row: (row.day, row.track))
    return Catalogue(
        known=known,
        total=total,
        genre=genre,
        artist=artist,
        duration_ms=duration_ms,
        released=released,
        artist_names=_artist_names(rng, int(artist_start[-1])),
        ranked=ranked,
        genre_start=genre_start,
        popularity=popularity,
        rows=rows,
        retitled=len(retitle),
        durations_corrected=len(measure),
    )


def _zipf(size: int) -> np.ndarray:
    weights = 1 / np.arange(3, size + 3)
    return np.cumsum(weights) / weights.sum()


def _titles(rng: np.random.Generator, count: int) -> list[str]:
    """Titles of two words; one in ten, and each of the first tracks, has a form that is difficult in CSV."""
    first, second = rng.integers(0, len(_FIRST), count), rng.integers(0, len(_SECOND), count)
    odd = np.where(rng.random(count) < 0.1, rng.integers(0, len(_ODD_TITLES), count), -1)
    odd[: len(_ODD_TITLES)] = np.arange(len(_ODD_TITLES))
    plain = [f"{_FIRST[a]} {_SECOND[b]}" for a, b in zip(first, second, strict=True)]
    return [title if o < 0 else _ODD_TITLES[o].format(title) for title, o in zip(plain, odd, strict=True)]


def _artist_names(rng: np.random.Generator, count: int) -> list[str]:
    first, second = rng.integers(0, len(_FIRST), count), rng.integers(0, len(_SECOND), count)
    return [f"The {_FIRST[a]} {_SECOND[b]} {n % 97}" for n, (a, b) in enumerate(zip(first, second, strict=True))]
