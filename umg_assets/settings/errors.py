"""Messages for mistakes in umg.toml or the environment: where it is, what was expected, what was there, a hint."""

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import SettingsError as SourceError

from umg_assets import tables
from umg_assets.settings.headers import astray
from umg_assets.settings.outline import HEADER, Place, dotted, lines_of, settings_in
from umg_assets.settings.sources import Source, Sources

_PREFIX = "UMG_"
_AT = re.compile(r"(?:sources\.(?P<kind>\w+)\[(?P<at>\d+)\]\.)?(?P<key>[a-z_]+(?:\.\w+)*)(?=: )")


def explain_all(file: Path, text: str, details: Sequence[Any], settings: type[BaseModel]) -> list[str]:
    """Every mistake that pydantic found as one line; those that one wrong section header causes, together as one.

    text: the file's content. details: `ValidationError.errors()`. settings: the validated model.
    """
    headers = list(astray(text, {tuple(detail["loc"]): detail["type"] for detail in details}))
    explained = {place for header in headers for place in header.causes}
    others = [detail for detail in details if tuple(detail["loc"]) not in explained]
    return [
        *(f"{file}:{header.line}: {header.message}" for header in headers),
        *(_explain(file, text, detail, settings) for detail in others),
    ]


def _explain(file: Path, text: str, detail: Any, settings: type[BaseModel]) -> str:
    """One of pydantic's errors as one line: `FILE:LINE: key: ...`, or `environment NAME: ...` for a variable."""
    message = detail["msg"].removeprefix("Value error, ")
    loc, message = _located(detail["loc"], message)
    if detail["type"] == "extra_forbidden":
        message = _no_such_setting(loc, settings)
    elif detail["type"] == "missing":
        message = "expected, but is not there"
    elif detail["type"] != "value_error":
        value = detail.get("input")
        begins = re.match("(?:Input|String|Value|Tuple|List) should (be|have)", message)
        if begins:
            message = {"be": "expected", "have": "expected it to have"}[begins[1]] + message[begins.end() :]
        message = message if isinstance(value, dict | BaseModel) else f"{message}, got {_shortened(value)}"
    variable = _variable(loc)
    line = _line_to_fill_in(text, _line_of(text, loc, detail.get("input")), message)
    where = f"environment {variable}" if variable else f"{file}:{line}"
    return f"{where}: {dotted(loc)}: {message}" if loc else f"{where}: {message}"


def explain_variable(error: SourceError) -> str:
    """An environment variable whose value cannot be parsed, as one line."""
    field = re.search(r'field "(\w+)"', str(error))
    name = f"{_PREFIX}{field[1].upper()}" if field else _PREFIX
    text = next((value for key, value in os.environ.items() if key.upper() == name), "")
    return f"""environment {name}: expected JSON such as '["AT", "DE"]', got {text!r}"""


def unknown_variables(settings: type[BaseModel]) -> list[str]:
    """One line for each UMG_... variable that is no setting; pydantic would ignore it silently."""
    lines = []
    for name in sorted(os.environ):
        first = name.upper().removeprefix(_PREFIX).split("__")[0].lower()
        if name.upper().startswith(_PREFIX) and first not in settings.model_fields:
            near = difflib.get_close_matches(first, settings.model_fields, n=1)
            hint = f"; did you mean {_PREFIX}{near[0].upper()}?" if near else ": unset it"
            lines.append(f"environment {name}: no such setting{hint}")
    return lines


def _located(loc: Place, message: str) -> tuple[Place, str]:
    """The place and the message of a mistake: moves a place at the start of the message into pydantic's place."""
    match = _AT.match(message)
    if not match or (loc and loc[0] != "sources"):
        return loc, message
    head = ("sources", match["kind"], int(match["at"])) if match["kind"] else loc
    if loc and not head[2:]:
        return loc, message
    return (*head, *match["key"].split(".")), message[match.end() + 2 :]


def _shortened(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}..."


def _variable(loc: Place) -> str | None:
    """The environment variable that set this setting, as it is spelled there."""
    for length in range(len(loc), 0, -1):
        wanted = _PREFIX + "__".join(str(part) for part in loc[:length]).upper()
        if name := next((name for name in os.environ if name.upper() == wanted), None):
            return name
    return None


def _no_such_setting(loc: Place, settings: type[BaseModel]) -> str:
    key, known = str(loc[-1]), _known_keys(loc[:-1], settings)
    if kind := next((kind for kind in tables.KINDS if len(loc) == 1 and key in (kind, kind[:-1])), None):
        return f"no such setting; did you mean [[sources.{kind}]]?"
    if len(loc) > 1 and key in settings.model_fields:
        return "no such setting here; put it above the first [section]"
    near = difflib.get_close_matches(key, known, n=1)
    return "no such setting; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")


def _known_keys(loc: Place, settings: type[BaseModel]) -> list[str]:
    """The settings that are allowed in the place of a wrong one."""
    model: Any = settings
    for part in loc:
        if get_origin(model) is dict:  # a table of tables: this part is the name of an entry
            model = get_args(model)[-1]
        elif isinstance(part, str):
            model = Source if model is Sources else model.model_fields[part].annotation
            if get_origin(model) is not dict:
                model = next(iter(get_args(model)), model)  # of an array of tables, the model of its entries
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_of(text: str, loc: Place, value: Any) -> int:
    """The line of a setting: the line of its key, else of the innermost section around it, else 1."""
    best, line = 0, 1
    for path, number in settings_in(text):
        shared = 0
        while shared < min(len(path), len(loc)) and path[shared] == loc[shared]:
            shared += 1
        if shared > best and shared in (len(path), len(loc)):  # below a section that has no header, its first key
            best, line = shared, number
    if loc and isinstance(loc[-1], int) and isinstance(value, str | int):
        lines = lines_of(text)
        return next((at for at in range(line, len(lines) + 1) if str(value) in lines[at - 1]), line)
    return line


def _line_to_fill_in(text: str, line: int, message: str) -> int:
    """The line that `umg init --from` left to be filled in, if the mistake is that an expression lacks; else `line`."""
    lacking = re.search(r"need an expression for (\w+)", message)
    if lacking:
        for number, content in enumerate(lines_of(text)[line:], line + 1):
            if content.startswith(f"# {lacking[1]} = "):
                return number
            if HEADER.match(content):
                break
    return line
