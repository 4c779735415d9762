"""Section headers of umg.toml that are wrong or lost: one line for each, instead of one for every key below it."""

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from umg_assets import tables
from umg_assets.settings.outline import Place, dotted, headers_in, settings_in
from umg_assets.settings.sources import Source


class Astray(NamedTuple):
    """A wrong header. line: where; message: what is wrong; causes: the places of pydantic's errors that it explains."""

    line: int
    message: str
    causes: list[Place]


def astray(text: str, errors: Mapping[Place, str]) -> Iterator[Astray]:
    """The headers that explain errors of a TOML text. errors: the types of pydantic's errors, by their places."""
    for place, kind_of_error in errors.items():
        if not place:
            continue
        if place[:1] == ("sources",) and len(place) == 2 and kind_of_error == "extra_forbidden":
            yield _no_such_kind(text, str(place[1]), errors)
        elif place == ("columns",):
            yield from _bare_columns(text, errors)
        elif place[-1] == "columns" and place[:1] == ("sources",) and kind_of_error == "missing":
            yield from _lost_columns(text, place, errors)
        elif place[-1] == "columns" and place[:1] == ("sources",) and kind_of_error == "dict_type":
            name = f"sources.{place[1]}.columns"
            if line := _line_of(text, "[[", name):
                message = f"[[{name}]]: expected [{name}] in single brackets: a source has one"
                yield Astray(line, message, [place])
        elif place == ("sources",) and (line := _line_of(text, "[[", "sources")):
            kinds = ", ".join(f"[[sources.{kind}]]" for kind in tables.KINDS)
            yield Astray(line, f"[[sources]]: expected one of {kinds}", [place])
        elif kind_of_error == "tuple_type":
            name = dotted(place)
            if line := _line_of(text, "[", name):
                yield Astray(line, f"[{name}]: expected [[{name}]] in double brackets: there can be several", [place])
            elif line := _line_of(text, "[", f"{name}.columns"):
                message = f"[{name}.columns]: expected below a [[{name}]], got none"
                yield Astray(line, message, [place, *_without_columns(errors)])
    yield from _below_columns(text, errors)


def _line_of(text: str, brackets: str, name: str) -> int | None:
    """The line of the first such header; None where there is none."""
    return next((line for *written, line in headers_in(text) if written == [brackets, name]), None)


def _without_columns(errors: Mapping[Place, str]) -> list[Place]:
    """The errors that a source has no columns."""
    return [place for place, kind in errors.items() if kind == "missing" and place[-1:] == ("columns",)]


def _no_such_kind(text: str, name: str, errors: Mapping[Place, str]) -> Astray:
    """A kind that there is not, such as `[[sources.play]]`."""
    headers = [header for header in headers_in(text) if f"{header[1]}.".startswith(f"sources.{name}.")]
    near = difflib.get_close_matches(name.lower(), tables.KINDS, n=1)
    kind = near[0] if near else None
    causes: list[Place] = [("sources", name)]
    if not headers:
        line = next((number for place, number in settings_in(text) if place[:2] == ("sources", name)), 1)
        written = f"sources.{name}"
    else:
        brackets, known, line = headers[0]
        written = f"{brackets}{known}{']' * len(brackets)}"
        if known.startswith(f"sources.{name}.") and kind:
            causes += [place for place in errors if place[:2] == ("sources", kind) and place[-1] == "columns"]
    meant = written.replace(f"sources.{name}", f"sources.{kind}") if kind else ""
    hint = f"did you mean {meant}?" if kind else f"known: {', '.join(tables.KINDS)}"
    return Astray(line, f"{written}: no such kind of source; {hint}", causes)


def _bare_columns(text: str, errors: Mapping[Place, str]) -> Iterator[Astray]:
    """`[columns]`, for the header of the source above it."""
    above = ""
    for _, name, line in headers_in(text):
        if name.startswith("sources."):
            above = ".".join(name.split(".")[:2])
        elif name == "columns":
            meant = f"[{above or 'sources.plays'}.columns]"
            lacking = [place for place in errors if f"{above}.columns" == ".".join(map(str, (*place[:2], place[-1])))]
            yield Astray(line, f"[columns]: expected {meant}, with the name of its source", [("columns",), *lacking])
            return


def _lost_columns(text: str, place: Place, errors: Mapping[Place, str]) -> Iterator[Astray]:
    """A source whose columns stand right below its own settings: the header between them is lost, or misspelt."""
    source, name = place[:-1], f"sources.{place[1]}"
    known = next((names for kind, names in tables.SOURCE_COLUMNS.items() if kind == place[1]), {})
    stray = [error for error in errors if error[:-1] == source and errors[error] == "extra_forbidden"]
    columns = [error for error in stray if error[-1] in known]
    lines = dict(reversed([*settings_in(text)]))
    if columns:
        names = ", ".join(str(error[-1]) for error in columns)
        line = min(lines.get(error, 1) for error in columns)
        message = f"{dotted(source)}: {names}: expected the header [{name}.columns] above the columns, got none"
        yield Astray(line, message, [place, *columns])
        return
    near = [error for error in stray if difflib.get_close_matches(str(error[-1]), ["columns"], n=1)]
    if near:
        written = f"{name}.{near[0][-1]}"
        message = f"[{written}]: no such setting; did you mean [{name}.columns]?"
        yield Astray(lines.get(near[0], 1), message, [place, near[0]])


def _below_columns(text: str, errors: Mapping[Place, str]) -> Iterator[Astray]:
    """Settings of a source below the header of its columns, where they count as columns: `files`, `delimiter`."""
    settings = {field.alias or name for name, field in Source.model_fields.items()} - {"columns"}
    for place, line in settings_in(text):
        if place[:1] == ("sources",) and place[3:4] == ("columns",) and len(place) == 5 and place[4] in settings:
            meant = (*place[:3], place[4])
            if causes := [error for error in (meant, place) if error in errors]:
                header = f"[sources.{place[1]}.columns]"
                yield Astray(line, f"{dotted(meant)}: expected above {header}, got it below", causes)
