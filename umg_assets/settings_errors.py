"""What is said of a mistake in umg.toml or the environment: where it stands, what was expected, what came, a hint."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import SettingsError as SourceError

from umg_assets.sources import Source, Sources

Place = tuple[str | int, ...]
_PREFIX = "UMG_"
_AT = re.compile(r"(?:sources\.(?P<kind>\w+)\[(?P<at>\d+)\]\.)?(?P<key>[a-z_]+(?:\.\w+)*)(?=: )")
_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_INLINE = re.compile(rf"[{{,]\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def explain(file: Path, text: str, detail: Any, settings: type[BaseModel]) -> str:
    """One of pydantic's errors as one line: `FILE:LINE: key: what is wrong` (or the environment variable's name)."""
    message = detail["msg"].removeprefix("Value error, ")
    loc, message = _located(detail["loc"], message)
    if detail["type"] == "extra_forbidden":
        message = _no_such_setting(loc, settings)
    elif detail["type"] == "missing":
        message = "expected, but is not there"
    elif detail["type"] != "value_error":
        came = detail.get("input")
        message = re.sub(
            "^Input should (be|have)", lambda found: {"be": "expected"}.get(found[1], "expected it to have"), message
        )
        message = message if isinstance(came, dict | BaseModel) else f"{message}, got {_shown(came)}"
    variable = _variable(loc)
    where = f"environment {variable}" if variable else f"{file}:{_line_of(text, loc, detail.get('input'))}"
    return f"{where}: {_dotted(loc)}: {message}" if loc else f"{where}: {message}"


def explain_syntax(file: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """A TOML syntax error as one line."""
    found = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    if not found:
        return f"{file}:1: not TOML: {error}"
    line = found[2] or len(text.splitlines())
    return f"{file}:{line}: not TOML: {found[1]}" + (f" (column {found[3]})" if found[3] else " (at the end)")


def explain_variable(error: SourceError) -> str:
    """An environment variable whose value cannot be parsed, as one line."""
    found = re.search(r'field "(\w+)"', str(error))
    name = f"{_PREFIX}{found[1].upper()}" if found else _PREFIX
    came = next((value for key, value in os.environ.items() if key.upper() == name), "")
    return f"""environment {name}: expected JSON such as '["AT", "DE"]', got {came!r}"""


def unknown_variables(settings: type[BaseModel]) -> list[str]:
    """A line for each UMG_... variable that is no setting: pydantic would pass it over."""
    found = []
    for name in sorted(os.environ):
        first = name.upper().removeprefix(_PREFIX).split("__")[0].lower()
        if name.upper().startswith(_PREFIX) and first not in settings.model_fields:
            near = difflib.get_close_matches(first, settings.model_fields, n=1)
            hint = f"; did you mean {_PREFIX}{near[0].upper()}?" if near else ": unset it"
            found.append(f"environment {name}: no such setting{hint}")
    return found


def _located(loc: Place, message: str) -> tuple[Place, str]:
    """The place that a validator's message begins with, added to the place that pydantic gives."""
    found = _AT.match(message)
    if not found or (loc and loc[0] != "sources"):
        return loc, message
    head = ("sources", found["kind"], int(found["at"])) if found["kind"] else loc
    if loc and not head[2:]:
        return loc, message
    return (*head, *found["key"].split(".")), message[found.end() + 2 :]


def _dotted(loc: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}..."


def _variable(loc: Place) -> str | None:
    """The environment variable that set this, as it is written there."""
    for length in range(len(loc), 0, -1):
        wanted = _PREFIX + "__".join(str(part) for part in loc[:length]).upper()
        if name := next((name for name in os.environ if name.upper() == wanted), None):
            return name
    return None


def _no_such_setting(loc: Place, settings: type[BaseModel]) -> str:
    key, known = str(loc[-1]), _known_keys(loc[:-1], settings)
    if len(loc) > 1 and key in settings.model_fields:
        return "no such setting here; put it above the first [section]"
    near = difflib.get_close_matches(key, known, n=1)
    return "no such setting; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")


def _known_keys(loc: Place, settings: type[BaseModel]) -> list[str]:
    """The settings that may stand where a wrong one stands."""
    model: Any = settings
    for part in loc:
        if get_origin(model) is dict:  # a table of tables: this part is one's name
            model = get_args(model)[-1]
        elif isinstance(part, str):
            model = Source if model is Sources else model.model_fields[part].annotation
            if get_origin(model) is not dict:
                model = next(iter(get_args(model)), model)  # of an array of tables, one of them
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_of(text: str, loc: Place, value: Any) -> int:
    """The line of a setting: of its key, else of the nearest section that holds it, else 1."""
    best, line = 0, 1
    for path, number in _settings_in(text):
        shared = 0
        while shared < min(len(path), len(loc)) and path[shared] == loc[shared]:
            shared += 1
        if shared == len(path) and shared > best:
            best, line = shared, number
    if loc and isinstance(loc[-1], int) and isinstance(value, str | int):
        lines = text.splitlines()
        return next((at for at in range(line, len(lines) + 1) if str(value) in lines[at - 1]), line)
    return line


def _settings_in(text: str) -> Iterator[tuple[Place, int]]:
    """Every section and key of a TOML text with its line, from 1; of arrays of tables, numbered from 0."""
    counts: dict[Place, int] = {}
    section: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            keys = _keys(header[2])
            section = ()
            for depth, key in enumerate(keys, 1):
                section = (*section, key)
                if header[1] == "[[" and depth == len(keys):
                    counts[section] = counts.get(section, 0) + 1
                section = (*section, counts[section] - 1) if section in counts else section
            yield section, number
        elif found := _ASSIGNMENT.match(line):
            path = (*section, *_keys(found[1]))
            yield path, number
            for inner in _INLINE.finditer(line, found.end()):
                yield (*path, *_keys(inner[1])), number


def _keys(dotted: str) -> list[str]:
    return [key.strip("\"'") for key in re.findall(_KEY, dotted)]
