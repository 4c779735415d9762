"""Messages for a umg.toml that is no TOML: what is there twice, a date in another notation, a text without quotes."""

import re
import tomllib
from pathlib import Path

from umg_assets.settings.day import expected_day
from umg_assets.settings.outline import dotted, headers_in, lines_of, settings_in, value_in

_TWICE = re.compile(r"Cannot (?:overwrite|declare|mutate)|Duplicate inline table key|Cannot redefine")
_LIKE_A_DAY = re.compile(r"""["']?\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?["']?(?:[T ][\d:.Z+-]*)?""")


def explain_syntax(file: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """A TOML syntax error as one line: `FILE:LINE: what is wrong`."""
    match = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    if not match:
        return f"{file}:1: not TOML: {error}"
    message, at, column = match.groups()
    line = int(at or len(lines_of(text)))
    if known := _twice(text, message, line) or _wrong_value(text, line):
        return f"{file}:{line}: {known}"
    where = f" (column {column})" if column else " (at the end)"
    return f"{file}:{line}: not TOML: {message}{where}"


def _twice(text: str, message: str, line: int) -> str | None:
    """That a key or section of a line stands above, too; None where it does not."""
    if not _TWICE.match(message):
        return None
    headers = {number: (brackets, name) for brackets, name, number in headers_in(text)}
    places = [(place, number) for place, number in settings_in(text) if number <= line]
    if line not in headers:
        last = max((number for _, number in places), default=0)
        for place, number in [entry for entry in places if entry[1] == last]:
            earlier = [at for other, at in places if other == place and at <= number]
            if len(earlier) > 1:
                before = f"in line {earlier[0]}" if earlier[0] < number else "in the same line"
                return f"{dotted(place)}: it is there twice, first {before}: keep one of them"
        return None
    brackets, name = headers[line]
    above = [(other, number) for number, (other, known) in headers.items() if number < line and known == name]
    if above and (above[0][0] == "[" or brackets == "["):
        first, number = above[0]
        if _is_repeated(name) or first != brackets:
            return f"[{name}]: it is there twice, first in line {number}: each of several is [[{name}]]"
        return f"[{name}]: it is there twice, first in line {number}: put what stands under both under one of them"
    below = [number for number, (_, known) in headers.items() if number < line and known.startswith(f"{name}.")]
    if brackets == "[[" and below:
        inner = headers[below[0]][1]
        return f"[[{name}]]: [{inner}] in line {below[0]} stands above it: put it below the [[{name}]] that it is of"
    keys = [number for place, number in places if dotted(place).startswith(name) and number < line]
    return f"[{name}]: it is there twice, first in line {keys[0]}: put both under one of them" if keys else None


def _is_repeated(name: str) -> bool:
    """Whether a section is one of several of its name: a source, a published list."""
    return name == "published" or re.fullmatch(r"sources\.\w+", name) is not None


def _wrong_value(text: str, line: int) -> str | None:
    """That the value of a line is a date in another notation, a word without quotes, or missing; else None."""
    content = lines_of(text)[line - 1]
    place = next((place for place, number in settings_in(text) if number == line), None)
    if place is None or "=" not in content or _is_toml(content):
        return None
    value = value_in(content)
    if not value:
        return f"{dotted(place)}: expected a value after =, got none"
    if _LIKE_A_DAY.fullmatch(value):
        return f"{dotted(place)}: {expected_day(value)}"
    if value.lower() in ("true", "false"):
        return f"{dotted(place)}: expected {value.lower()} in small letters, got {value}"
    if re.match(r"[^\W\d]", value):
        return f"{dotted(place)}: expected a text in quotes, got {value}"
    return None


def _is_toml(content: str) -> bool:
    try:
        tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        return False
    return True
