"""Synthetic experiments: events of the app by users who take part in nothing else, and the truth about them.

The truth comes from the generator's own sums and its own few lines of hashing, never from the lakehouse's code.
"""

import csv
import gzip
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

HEADER = (
    "event_id",
    "event_name",
    "user_id",
    "session_id",
    "track_id",
    "occurred_at",
    "experiment",
    "variant",
    "properties",
)
EFFECT = 0.4
"""The share by which the planted effect lengthens plays of B: large, as the demo has few users."""
_MARKETS = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
_SECTION = '{"section": "age_picks"}'


@dataclass(frozen=True)
class SyntheticExperiment:
    """What to generate.

    users: how many take part. effect: share by which plays of B are longer, from the first day on. lost: share of B's
    users whose exposure is never logged (a broken split). early_z: by chance, the naive test over sessions has at least
    this z after three days and hardly any at the end; 0 for any outcome. weeks: length of the experiment.
    """

    name: str
    users: int = 300
    effect: float = 0.0
    lost: float = 0.0
    early_z: float = 0.0
    weeks: int = 2

    @property
    def salt(self) -> str:
        return f"{self.name}-made-up"


EXPERIMENTS = (
    SyntheticExperiment("age_picks", users=900, effect=EFFECT),
    SyntheticExperiment("nothing_changed", users=600),
    SyntheticExperiment("broken_split", users=600, lost=0.3),
    SyntheticExperiment("early_luck", users=400, early_z=2.1),
)
"""An effect, an A/A test, a broken split, and a chance effect after three days."""
DEMO = (SyntheticExperiment("age_picks", users=400, effect=EFFECT),)
"""The demo's experiment: an effect that its few users show."""


@dataclass(frozen=True)
class Session:
    """A visit: its day (0: first day of exposure), its begin (seconds after local midnight), its plays' lengths."""

    day: int
    second: int
    played_ms: tuple[int, ...]


@dataclass(frozen=True)
class User:
    """A user: id, variant (by hashing), whether eligible, whether the exposure is logged, and visits."""

    id: str
    variant: str
    is_eligible: bool
    is_logged: bool
    sessions: tuple[Session, ...]


def variant_of(salt: str, user_id: str) -> str:
    """The variant of a user: control or b, half of the buckets each."""
    bucket = int(hashlib.sha256(f"{salt}:{user_id}".encode()).hexdigest()[:8], 16) % 10_000
    return "control" if bucket < 5_000 else "b"


def make_experiment(experiment: SyntheticExperiment, pre_days: int, seed: int) -> list[User]:
    """Users with a heavy-tailed number of visits, over pre_days before the first day and the planned weeks.

    If early_z is set, users are drawn again with the next seed until chance provides it. Raises ValueError if it
    does not in 10,000 draws.
    """
    for attempt in range(10_000):
        number = int(hashlib.sha256(f"{seed}:{experiment.name}:{attempt}".encode()).hexdigest()[:8], 16)
        users = list(_draw(experiment, pre_days, np.random.default_rng(number)))
        at_end = abs(naive_z(users, 0, 7 * experiment.weeks - 1))
        if not experiment.early_z or (naive_z(users, 0, 2) >= experiment.early_z and at_end < 0.5):
            return users
    raise ValueError(f"{experiment.name}: no draw has a z of {experiment.early_z} after three days; ask for less")


def _draw(experiment: SyntheticExperiment, pre_days: int, rng: np.random.Generator) -> Iterator[User]:
    days = pre_days + 7 * experiment.weeks
    for number in range(experiment.users):
        user_id = f"x_{experiment.name}_{number:05d}"
        variant = variant_of(experiment.salt, user_id)
        rate, taste = min(rng.gamma(1.2, 0.35), 3.0), rng.lognormal(0, 0.3)
        counts = rng.poisson(rate, days)
        is_eligible = bool(rng.random() >= 0.05)
        is_logged = is_eligible and not (variant == "b" and rng.random() < experiment.lost)
        sessions = []
        for day in np.flatnonzero(counts).tolist():
            # at least three hours apart, so that no visit runs into the next
            for second in sorted(rng.choice(5, min(int(counts[day]), 5), replace=False)):
                is_longer = variant == "b" and is_logged and day >= pre_days
                factor = 1 + experiment.effect if is_longer else 1.0
                lengths = rng.lognormal(11.4, 0.8, rng.geometric(0.4) if rng.random() > 0.1 else 0) * taste * factor
                played = tuple(int(min(length, 400_000)) for length in lengths[:15])
                sessions.append(Session(day - pre_days, 25_000 + int(second) * 11_000 + int(rng.integers(600)), played))
        yield User(user_id, variant, is_eligible, is_logged, tuple(sessions))


def naive_z(users: Iterable[User], first: int, last: int) -> float:
    """The naive test over the sessions of days first to last: (mean of b - mean of control) / standard error.

    The mean is of play time a session, in seconds; only users whose exposure is logged count.
    """
    seconds: dict[str, list[float]] = {"control": [], "b": []}
    for user in users:
        lengths = [sum(session.played_ms) / 1000 for session in user.sessions if first <= session.day <= last]
        seconds[user.variant] += lengths if user.is_logged else []
    means = {name: float(np.mean(values)) for name, values in seconds.items()}
    error = sum(float(np.var(values, ddof=1)) / len(values) for values in seconds.values()) ** 0.5
    return (means["b"] - means["control"]) / error


def events_of(
    experiment: SyntheticExperiment, users: Sequence[User], first_day: date, zone: str
) -> Iterator[tuple[datetime, list]]:
    """Every event: its instant (UTC), and its row in the order of HEADER, without the instant."""
    tz = ZoneInfo(zone)
    for user in users:
        for nth, session in enumerate(user.sessions):
            midnight = datetime.combine(first_day + timedelta(days=session.day), datetime.min.time(), tz)
            at = midnight.astimezone(UTC) + timedelta(seconds=session.second)
            name = f"{user.id}-{nth}"
            is_tagged = session.day >= 0 and (user.is_logged or not user.is_eligible)
            tags = [experiment.name, user.variant] if is_tagged else ["", ""]
            eligible = json.dumps({"eligible": user.is_eligible})
            yield at, [f"{name}-h", "home_loaded", user.id, name, "", *tags, eligible]
            has_section = is_tagged and user.is_eligible and user.variant == "b"
            if has_section:
                yield at + timedelta(seconds=1), [f"{name}-i", "age_picks_impressed", user.id, name, "", *tags, ""]
            for play, played in enumerate(session.played_ms):
                start = at + timedelta(seconds=5 + 450 * play)
                track = f"t{(nth * 7 + play) % 60:06d}"
                by_section = has_section and play == 0 and nth % 3 == 0
                if by_section:
                    tapped = start - timedelta(seconds=1)
                    yield tapped, [f"{name}-c", "age_picks_click", user.id, name, track, *tags, ""]
                properties = _SECTION if by_section else ""
                yield start, [f"{name}-s{play}", "play_start", user.id, name, track, *tags, properties]
                end, properties = start + timedelta(milliseconds=played), json.dumps({"played_ms": played})
                yield end, [f"{name}-e{play}", "play_end", user.id, name, track, *tags, properties]


def truth_of(experiment: SyntheticExperiment, users: Sequence[User]) -> dict:
    """The truth about an experiment: its definition, naive_z_day_3 and, over the whole window, sums by variant.

    The sums are of exposed users: users, sessions, plays and listening_ms, from the first visit of the window on.
    """
    variants: dict[str, dict[str, int]] = defaultdict(
        lambda: {"users": 0, "sessions": 0, "plays": 0, "listening_ms": 0}
    )
    for user in users:
        sessions = [session for session in user.sessions if session.day >= 0]
        if not user.is_logged or not sessions:
            continue
        sums = variants[user.variant]
        sums["users"] += 1
        sums["sessions"] += len(sessions)
        sums["plays"] += sum(len(session.played_ms) for session in sessions)
        sums["listening_ms"] += sum(sum(session.played_ms) for session in sessions)
    return {**asdict(experiment), "naive_z_day_3": naive_z(users, 0, 2), "variants": dict(variants)}


def generate_experiments(
    landing: Path,
    truth: Path | None,
    first_day: date,
    *,
    experiments: Sequence[SyntheticExperiment] = EXPERIMENTS,
    pre_days: int = 14,
    seed: int = 7,
    zone: str = "Europe/Vienna",
) -> str:
    """Write events/DATE.csv.gz for each UTC day and a users file under `landing`, and truth/experiments.json.

    first_day: the first day of exposure of all experiments. Returns the experiments' definitions as text for umg.toml.
    """
    by_day: dict[date, list[tuple[datetime, list]]] = defaultdict(list)
    truths, user_ids = {}, []
    for experiment in experiments:
        users = make_experiment(experiment, pre_days, seed)
        truths[experiment.name] = truth_of(experiment, users)
        user_ids += [user.id for user in users]
        for at, row in events_of(experiment, users, first_day, zone):
            by_day[at.date()].append((at, row))
    for day, rows in by_day.items():
        _write(landing / "events" / f"{day}.csv.gz", HEADER, (_line(*event) for event in sorted(rows, key=_order)))
    delivered = min(by_day)
    records = [
        (user_id, _MARKETS[number % len(_MARKETS)], f"{1960 + number % 45}-05-05", "")
        for number, user_id in enumerate(user_ids)
    ]
    header = ("user_id", "country", "birth_date", "signed_up_on")
    _write(landing / "users" / f"experiments-{delivered}.csv", header, records)
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        (truth / "experiments.json").write_text(json.dumps(truths, indent=2) + "\n", "utf-8")
    return "\n".join(definition_of(experiment, first_day, pre_days) for experiment in experiments)


def definition_of(experiment: SyntheticExperiment, first_day: date, pre_days: int) -> str:
    """The section `[experiments.NAME]` of umg.toml."""
    return f"""
[experiments.{experiment.name}]
hypothesis = "Made up: B's plays are {experiment.effect:.0%} longer, by {experiment.users} users of its own"
owner = "the generator"
salt = "{experiment.salt}"
variants = {{ control = 1, b = 1 }}
first_day = {first_day}
weeks = {experiment.weeks}
pre_period_days = {pre_days}
minimum_effect = {EFFECT}
secondary = ["skip_rate", "songs_per_session", "return_rate", "completion_rate"]
guardrails = {{ listening_per_user = 0.3 }}
"""


def _order(event: tuple[datetime, list]) -> tuple[datetime, str]:
    return event[0], event[1][0]


def _line(at: datetime, row: list) -> list:
    return [*row[:5], f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z", *row[5:]]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
