"""Signs that data is not what umg.toml takes it for, each with its likely cause.

Files that no source takes, an empty landing/, plays without a market, milliseconds where seconds were meant: said by
`umg run`, `umg doctor` and `umg chart`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import NamedTuple, Self

from umg_assets import tables
from umg_assets.landing.bucket import OF_BUCKET
from umg_assets.landing.outcome import label_of, outcomes
from umg_assets.landing.scan import Scan
from umg_assets.planning.history import History
from umg_assets.resources.reading import TableMissingError, partition_values, query
from umg_assets.settings.model import Settings, built_in_sources, drop_place
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind
from umg_assets.text import counted

_NAMED = 3
_WITHOUT_MARKET_PERCENT = 5
"""The share of plays without a market from which it is said: strays are in every export."""
_FEWEST = 3
"""Durations from which their unit can be told."""
_MOST_SECONDS, _LONG_MS = 7_200, 3 * 3_600_000
"""Nine in ten durations below two hours of seconds are seconds; half over three hours, a thousand times too long."""
_DELIVERIES = 3
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", ".partial", "~")


class Lengths(NamedTuple):
    """Durations above 0, in what should be milliseconds: how many there are, their median, and their 9th decile."""

    records: int
    middle: int
    most: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Self:
        """Of single values; of none, all is 0."""
        known = sorted(value for value in values if value > 0)
        return cls(len(known), *(known[len(known) * tenth // 10] if known else 0 for tenth in (5, 9)))


def signs(settings: Settings, found: Scan, history: History) -> Iterator[str]:
    """All signs in landing/, the ledger and the tables, a sentence each. found: by `claims` or `scan`."""
    yield from of_files(settings, found)
    sources = outcomes(settings, found, history, history.sequence)
    by_label = {outcome.label: outcome for outcome in sources}
    lengths = _landed_lengths(settings, found)
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            outcome = by_label[label_of(kind, position, source)]
            landed = lengths.get((kind, position), {})
            units = of_units(kind, source, outcome.records, outcome.reasons, landed)
            yield from (f"{outcome.label}: {sign}" for sign in units)
    yield from of_markets(settings)


def of_files(settings: Settings, found: Scan) -> Iterator[str]:
    """That landing/ is empty, or which files of it no source takes, and why."""
    if not found.claimed and not found.unclaimed and not found.waiting:
        names = [path.name for path in settings.landing.rglob("*") if path.is_file()]
        hidden = [name for name in names if not name.startswith(OF_BUCKET)]
        left_out = f"; left out: {hidden[0]}, whose name or folder begins with . or _" if hidden else ""
        yield f"landing/ is empty: drop files into {drop_place(settings.home)} and type `umg run`{left_out}"
    if files := found.unclaimed:
        names = ", ".join(files[:_NAMED]) + (" ..." if len(files) > _NAMED else "")
        yield f"no source takes {counted(len(files), 'file')}: {names}: {_why_unclaimed(settings, files[0])}"


def _why_unclaimed(settings: Settings, name: str) -> str:
    """What to do about a file that no source takes: its pattern is nearly right, or there is no source for it."""
    path = PurePosixPath(name)
    if path.name.endswith(_UNFINISHED):
        return "it looks like a file that is still being transferred"
    if settings.sources == built_in_sources():
        return "umg.toml names no source of your own: `umg init --from FILE` guesses one"
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            pattern, takes = PurePosixPath(source.files), f"sources.{kind}[{position}] takes {source.files}"
            if _matches(path, pattern):
                return f"{takes}: small and capital letters differ"
            if fnmatch(path.name, pattern.name):
                return f"{takes}: it lies in another folder"
            if path.parent != PurePosixPath() and fnmatch(str(path.parent), str(pattern.parent)):
                return f"{takes}: its name is another; correct `files`, or add a source to umg.toml"
    return "add a source to umg.toml"


def _matches(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    """Whether a path matches a pattern but for capital letters."""
    parts = list(zip(path.parts, pattern.parts, strict=False))
    same_depth = len(path.parts) == len(pattern.parts)
    return same_depth and all(fnmatch(part.lower(), wanted.lower()) for part, wanted in parts)


def of_units(
    kind: Kind, source: Source, records: int, reasons: Mapping[str, int], lengths: Mapping[str, Lengths]
) -> Iterator[str]:
    """That a source gives seconds for milliseconds, or the reverse.

    reasons: of its `records`, those set aside, by reason. lengths: by column of milliseconds, those of good records.
    """
    for name in tables.DURATIONS[kind]:
        text, length = source.columns.get(name), lengths.get(name, Lengths.of(()))
        if text is None:
            continue
        expected = f"columns.{name} = {text!r}: expected milliseconds"
        over = reasons.get("duration_over_24h", 0)
        if over * 4 > records or (length.records >= _FEWEST and length.middle > _LONG_MS):
            hours = f"half of {length.records:,} are over {length.middle // 3_600_000} hours"
            seen = f"{over:,} of {records:,} are over 24 hours" if over * 4 > records else hours
            yield f"{expected}, but {seen}: were milliseconds taken for seconds? Then without the factor 1000"
        elif length.records >= _FEWEST and length.most < _MOST_SECONDS:
            seen = f"nine in ten of {length.records:,} are at most {length.most:,}"
            yield f"{expected}, but {seen}: are they seconds? Then {_in_milliseconds(text)}"
    occurrence = tables.OCCURRENCES.get(kind)
    text = source.columns.get(occurrence.at, "") if occurrence else ""
    if not occurrence or not text:
        return
    impossible = (f"unparsable_{occurrence.at}", "starts_after_delivery", "expression_error")
    after = sum(reasons.get(reason, 0) for reason in impossible)
    if after * 2 > records and re.search(r"(?i)\b(timestamp_seconds|from_unixtime)\b", text):
        yield (
            f"columns.{occurrence.at} = {text!r}: {after:,} of {records:,} records give no date that can be: are they "
            "milliseconds, not seconds? Then timestamp_millis(...)"
        )
    before = reasons.get("before_first_day", 0)
    if before * 2 > records and re.search(r"(?i)\b(timestamp_millis|timestamp_micros)\b|/\s*1(000)+\b|\b1e3\b", text):
        yield (
            f"columns.{occurrence.at} = {text!r}: {before:,} of {records:,} records are before first_day: are they "
            "seconds, not milliseconds? Then timestamp_seconds(...)"
        )


def _in_milliseconds(text: str) -> str:
    """An expression of seconds as one of milliseconds."""
    number = re.sub(r"(?is)^cast\((.*) as (?:bigint|int|long|double)\)$", r"\1", text.strip())
    return f'"round(cast({number} as double) * 1000)"'


def of_markets(settings: Settings) -> Iterator[str]:
    """That many plays of the tables have no market, or one that umg.toml does not list."""
    try:
        sql = f"select country, sum(plays) as plays from {tables.MONTHLY_TRACK_PLAYS.name} group by country"
        rows = query(settings.home, sql, tables.MONTHLY_TRACK_PLAYS).to_pylist()
    except TableMissingError:
        return
    plays = Counter({row["country"]: row["plays"] for row in rows})
    yield from without_market(settings, plays, "plays")


def without_market(settings: Settings, countries: Mapping[str | None, int], what: str) -> Iterator[str]:
    """As of_markets, over counts by country; what is counted: plays, or records that were tried."""
    total = sum(countries.values())
    nowhere = sum(count for country, count in countries.items() if not country)
    if nowhere * 100 > _WITHOUT_MARKET_PERCENT * total:
        yield f"{nowhere:,} of {total:,} {what} have no market: {_why_no_market(settings)}"
    others = Counter({name: count for name, count in countries.items() if name and name not in settings.markets})
    if others.total() * 100 > _WITHOUT_MARKET_PERCENT * total:
        seen = ", ".join(f"{count:,} of {name}" for name, count in others.most_common(_NAMED))
        codes = all(re.fullmatch("[A-Z]{2}", name or "") for name, _ in others.most_common(_NAMED))
        advice = "add them to `markets`" if codes else "make codes such as 'AT' of them in `columns`, e.g. by upper()"
        yield f"{others.total():,} of {total:,} {what} are of no market in umg.toml ({seen}): {advice}"


def _why_no_market(settings: Settings) -> str:
    sources = settings.sources
    plays = any("country" in source.columns for kind in ("plays", "events") for source in sources.of(kind))
    users = any("country" in source.columns for source in sources.users)
    if not plays and not users:
        return "set `country` in the columns of [[sources.plays]], or of [[sources.users]]"
    if users and not plays:
        return "their users have no country, or have not been delivered: [[sources.users]]"
    return "`country` is empty there" + (", and their users have none" if users else "; users may give it, too")


def _landed_lengths(settings: Settings, found: Scan) -> dict[tuple[Kind, int], dict[str, Lengths]]:
    """By kind and position of a source, the durations of its largest file delivered last, by column."""
    lengths: dict[tuple[Kind, int], dict[str, Lengths]] = {}
    for kind, columns in tables.DURATIONS.items():
        for name in columns:
            table = tables.RAW[kind]
            try:
                days = partition_values(settings.home, table, "delivery_date")[-_DELIVERIES:]
            except TableMissingError:
                continue
            if not days:
                continue
            sql = (
                f"select source_file, count(*) as records, approx_percentile_cont({name}, 0.5) as middle, "
                f"approx_percentile_cont({name}, 0.9) as most from {table.name} "
                f"where {name} > 0 and delivery_date >= date'{days[0]}' group by source_file"
            )
            for row in query(settings.home, sql, table).to_pylist():
                if claim := found.claimed.get((kind, row["source_file"])):
                    of_source = lengths.setdefault((kind, claim[0]), {})
                    of_file = Lengths(row["records"], round(row["middle"]), round(row["most"]))
                    of_source[name] = max(of_file, of_source.get(name, of_file))
    return lengths
