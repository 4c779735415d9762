"""What texts look like: instants, durations, codes of countries. Each guess is an expression for umg.toml."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MOST = 0.8
"""Share of a column's values that must look alike: some records of a real file are bad."""
PLACEHOLDERS = ("-", "--", "?", "n/a", "N/A", "null", "NULL", "None", "\\N", "nan", "NaN", "unknown", "Unknown", "ZZ")

_EPOCHS = {
    "seconds": (re.compile(r"\d{9,10}(\.\d+)?"), 1),
    "millis": (re.compile(r"\d{12,13}"), 1_000),
    "micros": (re.compile(r"\d{15,16}"), 1_000_000),
}
_ISO = re.compile(
    r"(?:\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?:\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?(?: ?(?:Z|UTC)|[+-]\d{2}(?::?\d{2})?)?)?))?"
)
_DATED = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[-./ ])(?P<b>\d{1,2}|[A-Z][a-z]{2})(?P=sep)(?P<c>\d{1,4})"
    r"(?:(?P<gap>,? |T)(?P<H>\d{1,2}):(?P<M>\d{2})(?P<S>:\d{2})?)?"
)
_FIRST, _LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_WHOLE, _DECIMAL = re.compile(r"-?\d+"), re.compile(r"-?\d+([.,]\d+)?")
_MINUTES = re.compile(r"\d{1,3}:[0-5]\d")
_LONG_SECONDS = 10_000


@dataclass(frozen=True)
class Value:
    """How a column's text becomes a value.

    expression: Spark SQL, {} for the column. doubt: what should be looked at, a sentence; else empty.
    """

    expression: str
    doubt: str = ""


@dataclass(frozen=True)
class Instant(Value):
    """How a text becomes an instant. first, last: of the values. timed: whether they have a time of day."""

    first: datetime = _FIRST
    last: datetime = _LAST
    timed: bool = True


def instant_of(values: Sequence[str], any_year: bool = False) -> Instant | None:
    """How texts become instants: ISO 8601, an epoch, or a day, month and year in some order; None if they do not.

    any_year: also before 1995 (dates of birth).
    """
    guesses = (_epoch(values) if not any_year else None, _iso(values), _dated(values))
    for guess in guesses:
        if guess and (any_year or _FIRST <= guess.first <= guess.last <= _LAST):
            return guess
    return None


def _mostly(pattern: re.Pattern[str], values: Sequence[str]) -> list[re.Match[str]]:
    """The matches, if most values match; else none."""
    matches = [match for value in values if (match := pattern.fullmatch(value.strip()))]
    return matches if values and len(matches) >= MOST * len(values) else []


def _epoch(values: Sequence[str]) -> Instant | None:
    for unit, (pattern, a_second) in _EPOCHS.items():
        if matches := _mostly(pattern, values):
            instants = [datetime.fromtimestamp(float(match[0]) / a_second, UTC) for match in matches]
            type_ = "double" if any("." in match[0] for match in matches) else "bigint"
            expression = f"timestamp_{unit}(cast({{}} as {type_}))"
            return Instant(expression, first=min(instants), last=max(instants))
    return None


def _iso(values: Sequence[str]) -> Instant | None:
    instants, zoned, timed = [], False, False
    for match in _mostly(_ISO, values):
        try:
            instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", match[0]).replace(" UTC", "Z"))
        except ValueError:
            continue
        zoned, timed = zoned or instant.tzinfo is not None, timed or len(match[0]) > 10
        instants.append(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
    if not instants:
        return None
    return Instant("to_timestamp({})", _no_zone(zoned, timed), min(instants), max(instants), timed)


def _dated(values: Sequence[str]) -> Instant | None:
    """Of texts such as 02.03.2026 10:15, 2026/3/2 or 02 Mar 2026, 10:15."""
    matches = _mostly(_DATED, values)
    if not matches:
        return None
    year_first = all(len(match["a"]) == 4 for match in matches)
    days = [(match["b"], match["c"]) if year_first else (match["a"], match["b"]) for match in matches]
    named = any(part.isalpha() for pair in days for part in pair)
    month_first = year_first or any(second.isdigit() and int(second) > 12 for _, second in days)
    sure = named or year_first or month_first or matches[0]["sep"] == "." or any(int(first) > 12 for first, _ in days)
    day = "dd" if all(len(match["c" if year_first else "b" if month_first else "a"]) == 2 for match in matches) else "d"
    months = [match["b"] if year_first or not month_first else match["a"] for match in matches]
    month = "MMM" if named else "MM" if all(len(text) == 2 for text in months) else "M"
    order = ["yyyy", month, day] if year_first else [month, day, "yyyy"] if month_first else [day, month, "yyyy"]
    first = matches[0]
    pattern = first["sep"].join(order)
    if first["gap"]:
        hour = "HH" if all(len(match["H"] or "00") == 2 for match in matches) else "H"
        pattern += f"{first['gap']}{hour}:mm{':ss' if first['S'] else ''}"
    instants = [instant for match in matches if (instant := _parsed(match[0], pattern))]
    if len(instants) < MOST * len(values):
        return None
    doubts = [] if sure else [f"is {first[0]} day first, or month first? day first is taken"]
    doubts += [_no_zone(False, bool(first["gap"]))] if first["gap"] else []
    written = pattern.replace("T", r"\'T\'")
    return Instant(
        f"to_timestamp({{}}, '{written}')", "; ".join(doubts), min(instants), max(instants), bool(first["gap"])
    )


def _parsed(text: str, pattern: str) -> datetime | None:
    letters = {"yyyy": "%Y", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d", "HH": "%H", "H": "%H"}
    python = re.sub(r"[yMdH]+|mm|ss", lambda match: letters.get(match[0], f"%{match[0][0].upper()}"), pattern)
    try:
        return datetime.strptime(text, python).replace(tzinfo=UTC)
    except ValueError:
        return None


def _no_zone(zoned: bool, timed: bool) -> str:
    if zoned or not timed:
        return ""
    return "its texts have no time zone, so UTC is taken; for local times: to_utc_timestamp(..., 'Europe/Vienna')"


def milliseconds_of(name: str, values: Sequence[str]) -> Value | None:
    """How texts become milliseconds, by the unit in the column's name, else by their size; None if they do not.

    name: lower case, letters and digits only.
    """
    if _mostly(_MINUTES, values):
        minutes, seconds = (f"cast(split_part({{}}, ':', {part}) as bigint)" for part in (1, 2))
        return Value(f"{minutes} * 60000 + {seconds} * 1000")
    matches = _mostly(_DECIMAL, values)
    if not matches:
        return None
    whole = all(_WHOLE.fullmatch(match[0]) for match in matches)
    text = "replace({}, ',', '.')" if any("," in match[0] for match in matches) else "{}"
    number = "cast({} as bigint)" if whole else f"cast({text} as double)"
    doubt, scale = "", 1
    if "sec" in name or name.endswith("durations") or name == "s":
        scale = 1_000
    elif "min" in name.removesuffix("ms"):
        scale = 60_000
    elif "ms" not in name and "milli" not in name:
        seconds = max(abs(float(match[0].replace(",", "."))) for match in matches) < _LONG_SECONDS
        scale = 1_000 if seconds else 1
        doubt = f"{'seconds' if seconds else 'milliseconds'}, by the size of the numbers"
    scaled = f"{number} * {scale}" if scale > 1 else number
    return Value(scaled if whole else f"cast({scaled} as bigint)", doubt)


def country_of(values: Sequence[str]) -> Value | None:
    """How texts become codes of countries: two letters; None if they are others."""
    matches = _mostly(re.compile("[A-Za-z]{2}"), values)
    if not matches:
        return None
    return Value("{}" if all(match[0].isupper() for match in matches) else "upper({})")
