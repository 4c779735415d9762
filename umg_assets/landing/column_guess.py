"""Which kind of records a file holds, and which of its columns is which of the contract's: by names and by values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlglot import TokenType, tokenize

from umg_assets import tables
from umg_assets.files.sample import Column, Sample
from umg_assets.landing.column_names import ENDS, SYNONYMS, names_for, plain
from umg_assets.landing.value_guess import PLACEHOLDERS, Instant, Value, country_of, instant_of, milliseconds_of
from umg_assets.tables import Kind


@dataclass(frozen=True)
class ColumnGuess:
    """A column of the contract: its Spark SQL expression over the file's columns, what it was guessed from, and what
    should be looked at (or empty)."""

    expression: str
    seen: str
    doubt: str = ""


@dataclass
class SourceGuess:
    """What a source of one layout reads.

    columns: by contract column. where: the records to take, or empty. days: of the first and last instant among the
    samples' values. countries: the codes among them. used: columns of the file that `columns` read.
    """

    kind: Kind
    columns: dict[str, ColumnGuess] = field(default_factory=dict)
    where: str = ""
    days: tuple[date, date] | None = None
    countries: set[str] = field(default_factory=set)
    used: set[Column] = field(default_factory=set)

    @property
    def missing(self) -> list[str]:
        """The required columns without a guess."""
        return [name for name in tables.REQUIRED[self.kind] if name not in self.columns]


def quoted(column: Column) -> str:
    """A column as SQL: in backticks where its name is no plain word."""
    return ".".join(_quoted(part) for part in column)


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and [t.token_type for t in tokenize(name)] == [TokenType.VAR]:
        return name
    return "`" + name.replace("`", "``") + "`"


def guess_source(sample: Sample, kind: Kind | None = None) -> SourceGuess | None:
    """What a source would read of the sample. kind: default is what it looks like; None if it looks like none."""
    guesser = _Guesser(sample)
    kind = kind or guesser.kind()
    return guesser.source(kind) if kind else None


class _Guesser:
    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.columns = sample.columns
        self.unnamed = sample.settings.get("header") is False
        self.values = {column: sample.values(column) for column in self.columns}
        self.real = {
            column: [value for value in values if value not in PLACEHOLDERS] for column, values in self.values.items()
        }
        self.instants = {column: self._instant(column) for column in self.columns}

    def kind(self) -> Kind | None:
        """By who, what and when a record is about."""
        who, what, title = self.find("user_id"), self.find("track_id"), self.find("title")
        when, event = self.find("started_at"), self.find("event_name")
        if when and event and who and not self._plays_among(event) and (not what or self._names_events(event)):
            return "events"
        if when and self.unnamed:
            return "plays"
        if when and (what or title):
            instant = self.instants[when]
            timed = instant is not None and instant.timed and plain(when) != "createdat"
            if who or self.find("played_ms", "msplayed") or timed:
                return "plays"
        if what or (title and self.find("artist_name")):
            return "tracks"
        of_users = [self.find(name) for name in ("birth_date", "age_group", "signed_up_on", "country")]
        if who or (any(of_users) and self._named("id")):
            return "users"
        return "tracks" if title and self._named("id") else None

    def source(self, kind: Kind) -> SourceGuess:
        """The columns of a kind."""
        guess = SourceGuess(kind)
        for name, type_ in tables.SOURCE_COLUMNS[kind].items():
            column = self.find(name)
            if column is None and name == f"{kind[:-1]}_id":
                column = self._named("id")
            if column is None or (column in guess.used and name not in ("title", "artist_name")):
                continue
            value = self._value(name, type_, column)
            if value:
                text = value.expression.replace("{}", self._said(column, type_))
                guess.columns[name] = ColumnGuess(text, self._seen([column], name), value.doubt)
                guess.used.add(column)
        self._compose(guess)
        when = tables.OCCURRENCES[kind].at if kind in tables.OCCURRENCES else None
        instant = self.instants.get(self.find(when) or ()) if when in guess.columns else None
        if instant:
            guess.days = instant.first.date(), instant.last.date()
        if "country" in guess.columns:
            guess.countries = {value.upper() for value in self.real[self.find("country") or ()]}
        event = self.find("event_name")
        if kind == "plays" and event and self._plays_among(event) and len(set(self.values[event])) > 1:
            guess.where = f"{quoted(event)} = 'play'"
        return guess

    def find(self, name: str, *only: str) -> Column | None:
        """The column of the file that is a contract column, by its name and its values.

        only: the names, as `plain` gives them, that count; default: all that exporters give it.
        """
        for synonym in only or [plain((text,)) for text in (name, *SYNONYMS[name].split())]:
            for column in self.columns:
                if synonym in names_for(column) and self._fits(name, column):
                    return column
        if self.unnamed and name in ("started_at", "occurred_at"):
            dated = [column for column, instant in self.instants.items() if instant]
            return dated[0] if len(dated) == 1 else None
        return None

    def _named(self, name: str) -> Column | None:
        return next((column for column in self.columns if plain(column) == name and self.values[column]), None)

    def _fits(self, name: str, column: Column) -> bool:
        """Whether the values of a column can be those of a contract column; a column without any is none."""
        values = self.real[column]
        if len(values) * 2 < len(self.sample.records) and name in ("play_id", "track_id", "user_id", "started_at"):
            return False
        if name in ("started_at", "occurred_at"):
            return self.instants[column] is not None
        if name in ("track_id", "title"):
            return bool(values) and self.instants[column] is None
        if name == "country":
            return country_of(values) is not None
        if name == "event_name":
            return bool(values) and len(set(values)) <= max(50, len(values) // 10)
        return bool(values)

    def _instant(self, column: Column) -> Instant | None:
        guess = instant_of(self.real[column])
        typed = self.sample.typed.get(column)
        if guess and typed in ("instant", "date"):
            return Instant("{}", "", guess.first, guess.last, typed == "instant")
        return guess if typed in (None, "number") else None

    def _value(self, name: str, type_: str, column: Column) -> Value | None:
        """How a column of the file becomes a contract column."""
        values = self.real[column]
        if type_ == "timestamp":
            return self._start(column) if name == "started_at" else self.instants[column]
        if type_ == "date":
            instant = self.instants[column] or instant_of(values, any_year=True)
            if self.sample.typed.get(column) == "date" or not instant:
                return Value("{}") if self.sample.typed.get(column) == "date" else None
            casts = instant.expression in ("to_timestamp({})", "{}")
            return Value("cast({} as date)" if casts else f"cast({instant.expression} as date)", instant.doubt)
        if type_ == "bigint":
            return milliseconds_of(plain(column), values)
        return country_of(values) if name == "country" else Value("{}")

    def _start(self, column: Column) -> Value | None:
        """When a play started: of a record that says when it ended, its length is taken off."""
        instant, length = self.instants[column], self.find("played_ms")
        ends = plain(column) in ENDS or any("spotifytrackuri" in names_for(other) for other in self.columns)
        duration = milliseconds_of(plain(length), self.real[length]) if length else None
        if not instant or not ends:
            return instant
        if not duration or not length:
            return Value(instant.expression, "this is when the play ended, and nothing says how long it was")
        ended = f"unix_millis({instant.expression})"
        played = duration.expression.replace("{}", self._said(length, "bigint"))
        doubt = "the end of the play, less its length"
        return Value(f"timestamp_millis({ended} - {played})", f"{doubt}; {instant.doubt}" if instant.doubt else doubt)

    def _said(self, column: Column, type_: str) -> str:
        """The column as SQL, NULL where it holds a placeholder."""
        text = quoted(column)
        if column in self.sample.typed:
            return text
        for placeholder in sorted(set(self.values[column]) - set(self.real[column])):
            if type_ != "string" or placeholder != "unknown":
                text = f"nullif({text}, {_literal(placeholder)})"
        return text

    def _seen(self, columns: Sequence[Column], name: str = "") -> str:
        """What a guess was made from. Of a person's id and birth only the shape is told."""
        parts = []
        for column in columns:
            some = list(dict.fromkeys(self.real[column]))[:2]
            personal = name == "birth_date" or column == self.find("user_id")
            parts.append(", ".join(shape_of(value) if personal else _short(value) for value in some))
        return "guessed from values such as " + " and ".join(parts)

    def _names_events(self, column: Column) -> bool:
        return plain(column) in ("eventname", "event", "eventtype") and len(set(self.values[column])) > 1

    def _plays_among(self, event: Column) -> bool:
        others = any(self.find(name) for name in ("experiment", "variant", "properties"))
        return "play" in self.values[event] and not others

    def _compose(self, guess: SourceGuess) -> None:
        """Columns that others make up: an id of what no two records share, a track's of artist and title."""
        artist, title = self.find("artist_name"), self.find("title")
        if guess.kind in ("plays", "tracks") and "track_id" not in guess.columns and title:
            parts = [artist, title] if artist else [title]
            expression = f"concat_ws(' - ', {', '.join(map(quoted, parts))})" if artist else quoted(title)
            doubt = "no column with a track's id: its artist and title are taken" if artist else "no id: its title"
            guess.columns["track_id"] = ColumnGuess(expression, self._seen(parts), doubt)
            guess.used.update(parts)
        if guess.kind == "tracks" and "artist_id" not in guess.columns and artist:
            guess.columns["artist_id"] = ColumnGuess(
                quoted(artist), self._seen([artist]), "no column with an artist's id: the name is taken"
            )
        if guess.kind in tables.OCCURRENCES:
            self._compose_id(guess, tables.OCCURRENCES[guess.kind].id)

    def _compose_id(self, guess: SourceGuess, id_: str) -> None:
        when = self.find("started_at")
        who, what = self.find("user_id"), self.find("track_id") or self.find("title")
        parts = [part for part in (who, when, what) if part]
        if id_ in guess.columns:
            ids = self.find(id_) or self._named("id") or ()
            about = {tuple(record.get(part) for part in (ids, *parts)) for record in self.sample.records}
            about = {record for record in about if record[0]}
            if len({record[0] for record in about}) == len(about):
                return
            if who and len({record[:2] for record in about}) == len(about):
                text = f"concat(cast({quoted(who)} as string), '-', cast({quoted(ids)} as string))"
                guess.columns[id_] = ColumnGuess(text, self._seen([who, ids]), "the id alone is of several users")
                return
            del guess.columns[id_]
        if when and what:
            text = ", ".join(part if column not in self.sample.typed else f"cast({part} as string)" for part, column in
                             ((quoted(column), column) for column in parts))  # fmt: skip
            doubt = (
                f"no column with an id of its own a record: two of the same {', '.join(map('.'.join, parts))} are one"
            )
            guess.columns[id_] = ColumnGuess(f"concat_ws('-', {text})", self._seen(parts), doubt)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def shape_of(value: str) -> str:
    """A value whose letters are a and whose digits are 9: what it looks like, without what it says."""
    return _short(re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", value)))


def _short(value: str) -> str:
    text = " ".join(value.split())
    return text if len(text) <= 40 else f"{text[:40]}..."
