"""Sources for umg.toml, guessed from sample files: what `umg init --from` writes, and what it leaves open."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from umg_assets import tables
from umg_assets.calendar import is_country
from umg_assets.files.sample import Column, Sample, SampleError, read_sample
from umg_assets.files.staged import FILE_PATH
from umg_assets.landing.column_guess import ColumnGuess, SourceGuess, guess_source, quoted, shape_of
from umg_assets.landing.path_guess import MarketInPath, delivered_on_of, glob_of, market_of, names_of
from umg_assets.settings.model import Settings

_WIDTH = 44
_USUAL = tuple(Settings.model_fields["markets"].default)


@dataclass
class Guesses:
    """What was guessed of all samples.

    text: the sources as TOML. open: what could not be guessed, or should be looked at, a sentence each. drop: where to
    put the files, or empty. first_day, first_delivery: the first day of their plays, and that of their deliveries; None
    if not known. markets: the countries of their plays and users.
    """

    text: str = ""
    open: list[str] = field(default_factory=list)
    drop: str = ""
    first_day: date | None = None
    first_delivery: date | None = None
    markets: list[str] = field(default_factory=list)


@dataclass
class _Layout:
    """Samples of one layout, and what was guessed of them together."""

    sample: Sample
    guess: SourceGuess
    paths: list[PurePosixPath]
    files: list[Path]
    market: MarketInPath | None = None


def guess_sources(files: Sequence[Path], landing: Path) -> Guesses:
    """Sources that read the sample files; samples of one kind that are written alike share one.

    Files that do not lie in landing/ are to be put there. A file of which nothing can be guessed is named in `open`.
    """
    result = Guesses()
    paths, result.drop = names_of(files, landing, _USUAL)
    layouts = _layouts(files, paths, result.open)
    for layout in layouts:
        _take_market_of_path(layout)
    order = sorted(layouts, key=lambda layout: tables.KINDS.index(layout.guess.kind))
    blocks = [_block(layout, layouts, result) for layout in order]
    plays = [layout for layout in order if layout.guess.kind == "plays"]
    if plays and not any(layout.guess.kind == "tracks" for layout in order):
        blocks += [_block(tracks, layouts, result) for layout in plays if (tracks := _tracks_of(layout))]
    result.text = "\n".join(blocks)
    result.markets = sorted({code for layout in layouts for code in layout.guess.countries if is_country(code)})
    days = [layout.guess.days[0] for layout in layouts if layout.guess.days]
    result.first_day = min(days, default=None)
    return result


def _layouts(files: Sequence[Path], paths: Sequence[PurePosixPath], left: list[str]) -> list[_Layout]:
    layouts: dict[str, _Layout] = {}
    for file, path in zip(files, paths, strict=True):
        try:
            sample = read_sample(file)
        except (SampleError, OSError) as error:
            left.append(str(error))
            continue
        guess = guess_source(sample)
        if guess is None:
            names = ", ".join(map(quoted, sample.columns))
            left.append(f"{file}: its kind: no column looks like a play's, a user's, a track's or an event's: {names}")
            continue
        needed = [guess.columns[name].expression for name in tables.REQUIRED[guess.kind] if name in guess.columns]
        layout = layouts.setdefault(json.dumps([guess.kind, sample.settings, needed]), _Layout(sample, guess, [], []))
        if layout.paths:
            records = [*layout.sample.records, *sample.records]
            notes = list(dict.fromkeys([*layout.sample.notes, *sample.notes]))
            layout.sample = Sample(
                file, sample.settings, records, sample.typed, layout.sample.nested or sample.nested, notes
            )
            layout.guess = guess_source(layout.sample) or layout.guess
        layout.paths.append(path)
        layout.files.append(file)
    return list(layouts.values())


def _take_market_of_path(layout: _Layout) -> None:
    """The country of plays and users whose files name it only in their path."""
    guess = layout.guess
    if "country" not in tables.SOURCE_COLUMNS[guess.kind] or "country" in guess.columns:
        return
    if market := market_of(layout.paths, _USUAL):
        seen = f"guessed from the path: {market.codes[0]} of {layout.paths[0]}"
        expression = f"upper(regexp_extract({FILE_PATH}, '{market.pattern}', 1))"
        guess.columns["country"] = ColumnGuess(expression, seen, market.doubt)
        guess.countries |= {*market.codes}
        layout.market = market


def _tracks_of(layout: _Layout) -> _Layout | None:
    """The tracks that files of plays name, so that charts show titles."""
    guess = guess_source(layout.sample, "tracks")
    if guess is None or guess.missing or "title" not in guess.columns:
        return None
    plays = layout.guess.columns
    guess.columns["track_id"] = plays.get("track_id", guess.columns["track_id"])
    if guess.columns["title"].expression == guess.columns["track_id"].expression:
        return None
    if "played_ms" in plays:  # a length in a record of a play is the play's
        guess.columns.pop("duration_ms", None)
    guess.where = layout.guess.where
    return _Layout(layout.sample, guess, layout.paths, layout.files, layout.market)


def _block(layout: _Layout, layouts: Sequence[_Layout], result: Guesses) -> str:
    """A source as TOML, each guess with its reason beside it. Adds to `result` what is open."""
    guess, sample, kind = layout.guess, layout.sample, layout.guess.kind
    files = _glob(layout, layouts)
    label = f"{kind}, {files}"
    shown = [file.name for file in layout.files]
    more = f" and {len(shown) - 1} more" if len(shown) > 1 else ""
    lines = [f"# Guessed by `umg init --from` from {shown[0]}{more}.", f"[[sources.{kind}]]"]
    lines.append(
        _line("files", _toml(files), "* stands for dates, numbers and what else differs" if "*" in files else "")
    )
    for name, value in sample.settings.items():
        lines.append(_line(name, _toml(value), "guessed from the first records"))
    lines += _delivered(layout, label, result)
    if sample.nested and any(len(column) > 1 for column in guess.used):
        lines.append(_line("schema", _toml(_schema(guess.used)), "nested columns need it"))
    if guess.where:
        lines.append(_line("where", _toml(guess.where), "guessed: the other records are no plays"))
    lines.append(f"[sources.{kind}.columns]")
    lines += _columns(layout, label, result)
    result.open += [f"{label}: {note}" for note in sample.notes]
    return "\n".join(lines) + "\n"


def _glob(layout: _Layout, layouts: Sequence[_Layout]) -> str:
    """The glob of a layout's samples: with their very names where it would take samples of another layout, too."""
    glob = glob_of([layout.market.hidden(path) if layout.market else path for path in layout.paths])
    others = [path for other in layouts if other.paths is not layout.paths for path in other.paths]
    if not any(fnmatch(str(path), glob) for path in others):
        return glob
    return str(layout.paths[0]) if len(layout.paths) == 1 else glob


def _delivered(layout: _Layout, label: str, result: Guesses) -> Iterator[str]:
    dated = delivered_on_of(layout.paths)
    last = layout.guess.days[1] if layout.guess.days else None
    if dated is None:
        yield "# delivered_on: no date in the path: the day on which a file was modified (UTC) counts"
        modified = [datetime.fromtimestamp(file.stat().st_mtime, UTC).date() for file in layout.files]
        result.first_delivery = min([result.first_delivery or date.max, *modified])
        return
    pattern, dates = dated
    if last and last > max(dates) and (last - max(dates)).days > 1:
        yield f"# delivered_on: not the date in the path: {max(dates)} is before records of {last}"
        result.open.append(
            f"{label}: when a file was delivered: the date in its path, {max(dates)}, is before records of {last}; "
            "the day on which it was modified counts"
        )
        return
    result.first_delivery = min([result.first_delivery or date.max, *dates])
    yield _line("delivered_on", f"'{pattern}'", f"guessed: {dates[0]} in {layout.paths[0]}")


def _columns(layout: _Layout, label: str, result: Guesses) -> Iterator[str]:
    guess, sample = layout.guess, layout.sample
    rest = [column for column in sample.columns if column not in guess.used]
    for name in (*guess.missing, *(name for name in tables.SOURCE_COLUMNS[guess.kind] if name in guess.columns)):
        column = guess.columns.get(name)
        if column is None:
            yield _line(f"# {name}", '""', f"FILL IN (needed): no column looks like it: {_some(sample, rest)}")
            result.open.append(f"{label}: {name}, which is needed: fill in the line `# {name} = ` of umg.toml")
            continue
        if column.doubt:
            yield _comment(f"CHECK: {column.doubt}")
        yield _line(name, _toml(column.expression), column.seen)
        if column.doubt:
            result.open.append(f"{label}: {name}: {column.doubt}")
    absent = [name for name in tables.SOURCE_COLUMNS[guess.kind] if name not in guess.columns]
    optional = [name for name in absent if name not in guess.missing]
    if optional:
        yield _comment(f"not guessed (optional): {', '.join(optional)}")
    if rest:
        yield _comment(f"not used of the file: {_some(sample, rest)}")


def _some(sample: Sample, columns: Iterable[Column]) -> str:
    """Columns, each with the shape of its first value, which may be personal."""
    parts = []
    for column in columns:
        value = next(iter(sample.values(column)), None)
        parts.append(f"{quoted(column)} ({shape_of(value)})" if value else quoted(column))
    return ", ".join(parts)


def _schema(used: Iterable[Column]) -> str:
    """Spark's DDL for columns of JSON, all of them text."""
    tree: dict[str, Any] = {}
    for column in sorted(used):
        node = tree
        for part in column:
            node = node.setdefault(part, {})
    return _fields(tree, " ")


def _fields(tree: dict[str, Any], between: str) -> str:
    types = {name: f"STRUCT<{_fields(below, ': ')}>" if below else "STRING" for name, below in tree.items()}
    return ", ".join(f"{quoted((name,))}{between}{type_}" for name, type_ in types.items())


def _line(name: str, value: str, comment: str) -> str:
    setting = f"{name} = {value}"
    return f"{setting:<{_WIDTH}} {_comment(comment)}" if comment else setting


def _comment(text: str) -> str:
    return "# " + "".join(character if character.isprintable() else " " for character in text)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
