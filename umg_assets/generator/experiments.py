"""Made-up experiments: events of the app, of users of their own, and what is true of them.

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
"""What the planted effect adds to every play of B: large, because the demo has hundreds of users, not millions."""
_MARKETS = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
_SECTION = '{"section": "age_picks"}'


@dataclass(frozen=True)
class MadeExperiment:
    """What to make up.

    effect: B's plays are longer by this share from its first exposure on. lost: share of B's users whose exposure is
    never logged: a broken split. early_z: the naive test over sessions has at least this z after three days, by
    chance, and hardly any at the end; 0: whatever comes.
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


DEMO = (
    MadeExperiment("age_picks", users=900, effect=EFFECT),
    MadeExperiment("nothing_changed", users=600),
    MadeExperiment("broken_split", users=600, lost=0.3),
    MadeExperiment("early_luck", users=400, early_z=2.1),
)
"""The demo's four: an effect, an A/A, a broken split, and one that chance favours after three days."""


@dataclass(frozen=True)
class Session:
    """A visit: when it began (seconds after local midnight of its day, counted from the first), its plays' lengths."""

    day: int
    second: int
    played_ms: tuple[int, ...]


@dataclass(frozen=True)
class User:
    """A user: the id, the variant by hashing, whether eligible, whether the exposure is logged, and the visits."""

    id: str
    variant: str
    is_eligible: bool
    is_logged: bool
    sessions: tuple[Session, ...]


def variant_of(salt: str, user_id: str) -> str:
    """control or b, half of the buckets each."""
    bucket = int(hashlib.sha256(f"{salt}:{user_id}".encode()).hexdigest()[:8], 16) % 10_000
    return "control" if bucket < 5_000 else "b"


def make_experiment(made: MadeExperiment, pre_days: int, seed: int) -> list[User]:
    """Users with heavy tails of activity, over pre_days before the first day and the planned weeks.

    Where early_z is asked for, users are drawn again, of the next seed, until chance gives it.
    """
    for attempt in range(10_000):
        number = int(hashlib.sha256(f"{seed}:{made.name}:{attempt}".encode()).hexdigest()[:8], 16)
        users = list(_draw(made, pre_days, np.random.default_rng(number)))
        lucky = naive_z(users, 0, 2) >= made.early_z and abs(naive_z(users, 0, 7 * made.weeks - 1)) < 0.5
        if lucky or not made.early_z:
            return users
    raise ValueError(f"{made.name}: no draw has a z of {made.early_z} after three days; ask for less")


def _draw(made: MadeExperiment, pre_days: int, rng: np.random.Generator) -> Iterator[User]:
    days = pre_days + 7 * made.weeks
    for number in range(made.users):
        user_id = f"x_{made.name}_{number:05d}"
        variant = variant_of(made.salt, user_id)
        rate, taste = min(rng.gamma(1.2, 0.35), 3.0), rng.lognormal(0, 0.3)
        counts = rng.poisson(rate, days)
        is_eligible = bool(rng.random() >= 0.05)
        is_logged = is_eligible and not (variant == "b" and rng.random() < made.lost)
        sessions = []
        for day in np.flatnonzero(counts).tolist():
            # apart by three hours at least, so that none runs into another
            for second in sorted(rng.choice(5, min(int(counts[day]), 5), replace=False)):
                longer = 1 + made.effect if variant == "b" and is_logged and day >= pre_days else 1.0
                lengths = rng.lognormal(11.4, 0.8, rng.geometric(0.4) if rng.random() > 0.1 else 0) * taste * longer
                played = tuple(int(min(one, 400_000)) for one in lengths[:15])
                sessions.append(Session(day - pre_days, 25_000 + int(second) * 11_000 + int(rng.integers(600)), played))
        yield User(user_id, variant, is_eligible, is_logged, tuple(sessions))


def naive_z(users: Iterable[User], first: int, last: int) -> float:
    """The literal test over sessions of some days: (mean of b - mean of control) over its standard error."""
    seconds: dict[str, list[float]] = {"control": [], "b": []}
    for user in users:
        own = [sum(one.played_ms) / 1000 for one in user.sessions if first <= one.day <= last]
        seconds[user.variant] += own if user.is_logged else []
    means = {name: float(np.mean(values)) for name, values in seconds.items()}
    error = sum(float(np.var(values, ddof=1)) / len(values) for values in seconds.values()) ** 0.5
    return (means["b"] - means["control"]) / error


def events_of(
    made: MadeExperiment, users: Sequence[User], first_day: date, zone: str
) -> Iterator[tuple[datetime, list]]:
    """Every event: its instant (UTC), and its row in order of HEADER without the instant."""
    tz = ZoneInfo(zone)
    for user in users:
        for nth, session in enumerate(user.sessions):
            midnight = datetime.combine(first_day + timedelta(days=session.day), datetime.min.time(), tz)
            at = midnight.astimezone(UTC) + timedelta(seconds=session.second)
            name = f"{user.id}-{nth}"
            shown = session.day >= 0 and (user.is_logged or not user.is_eligible)
            told = [made.name, user.variant] if shown else ["", ""]
            eligible = json.dumps({"eligible": user.is_eligible})
            yield at, [f"{name}-h", "home_loaded", user.id, name, "", *told, eligible]
            section = shown and user.is_eligible and user.variant == "b"
            if section:
                yield at + timedelta(seconds=1), [f"{name}-i", "age_picks_impressed", user.id, name, "", *told, ""]
            for play, played in enumerate(session.played_ms):
                start = at + timedelta(seconds=5 + 450 * play)
                track = f"t{(nth * 7 + play) % 60:06d}"
                by_section = section and play == 0 and nth % 3 == 0
                if by_section:
                    tapped = start - timedelta(seconds=1)
                    yield tapped, [f"{name}-c", "age_picks_click", user.id, name, track, *told, ""]
                said = _SECTION if by_section else ""
                yield start, [f"{name}-s{play}", "play_start", user.id, name, track, *told, said]
                ended, lasted = start + timedelta(milliseconds=played), json.dumps({"played_ms": played})
                yield ended, [f"{name}-e{play}", "play_end", user.id, name, track, *told, lasted]


def truth_of(made: MadeExperiment, users: Sequence[User]) -> dict:
    """By variant, over the whole window: users exposed, their sessions, plays and play time from the first visit on."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: {"users": 0, "sessions": 0, "plays": 0, "listening_ms": 0})
    for user in users:
        own = [one for one in user.sessions if one.day >= 0]
        if not user.is_logged or not own:
            continue
        arm = found[user.variant]
        arm["users"] += 1
        arm["sessions"] += len(own)
        arm["plays"] += sum(len(one.played_ms) for one in own)
        arm["listening_ms"] += sum(sum(one.played_ms) for one in own)
    return {**asdict(made), "naive_z_day_3": naive_z(users, 0, 2), "variants": dict(found)}


def generate_experiments(
    landing: Path,
    truth: Path | None,
    first_day: date,
    *,
    made: Sequence[MadeExperiment] = DEMO,
    pre_days: int = 14,
    seed: int = 7,
    zone: str = "Europe/Vienna",
) -> str:
    """Writes events/DATE.csv.gz by UTC day, a users file, and truth/experiments.json; returns umg.toml's text for them.

    first_day: the first day of exposure of every experiment.
    """
    by_day: dict[date, list[tuple[datetime, list]]] = defaultdict(list)
    told, people = {}, []
    for one in made:
        users = make_experiment(one, pre_days, seed)
        told[one.name] = truth_of(one, users)
        people += [user.id for user in users]
        for at, row in events_of(one, users, first_day, zone):
            by_day[at.date()].append((at, row))
    for day, rows in by_day.items():
        _write(landing / "events" / f"{day}.csv.gz", HEADER, (_line(*one) for one in sorted(rows, key=_order)))
    delivered = min(by_day)
    born = [(user, _MARKETS[at % len(_MARKETS)], f"{1960 + at % 45}-05-05", "") for at, user in enumerate(people)]
    _write(
        landing / "users" / f"experiments-{delivered}.csv", ("user_id", "country", "birth_date", "signed_up_on"), born
    )
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        (truth / "experiments.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return "\n".join(definition_of(one, first_day, pre_days) for one in made)


def definition_of(made: MadeExperiment, first_day: date, pre_days: int) -> str:
    """`[experiments.NAME]` of umg.toml."""
    return f"""
[experiments.{made.name}]
hypothesis = "Made up: B's plays are {made.effect:.0%} longer, by {made.users} users of its own"
owner = "the generator"
salt = "{made.salt}"
variants = {{ control = 1, b = 1 }}
first_day = {first_day}
weeks = {made.weeks}
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
