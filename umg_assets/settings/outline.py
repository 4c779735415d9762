"""Where what stands in a TOML text: its sections and keys with their lines, also of a text that is no TOML."""

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_INLINE = re.compile(rf"[{{,]\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def lines_of(text: str) -> list[str]:
    r"""The lines of a TOML text. They end at \n alone: a text may hold what Unicode calls line separators."""
    return text.removesuffix("\n").split("\n")


def settings_in(text: str) -> Iterator[tuple[Place, int]]:
    """Every section and key of a TOML text with its line, from 1; entries of arrays of tables are numbered from 0."""
    counts: dict[Place, int] = {}
    section: Place = ()
    for number, line in enumerate(lines_of(text), 1):
        if header := HEADER.match(line):
            keys = _keys(header[2])
            section = ()
            for depth, key in enumerate(keys, 1):
                section = (*section, key)
                if header[1] == "[[" and depth == len(keys):
                    counts[section] = counts.get(section, 0) + 1
                section = (*section, counts[section] - 1) if section in counts else section
            yield section, number
        elif assignment := _ASSIGNMENT.match(line):
            path = (*section, *_keys(assignment[1]))
            yield path, number
            for inner in _INLINE.finditer(line, assignment.end()):
                yield (*path, *_keys(inner[1])), number


def value_in(line: str) -> str:
    """What is written behind the = of a line, without a comment; empty where there is none."""
    assignment = _ASSIGNMENT.match(line)
    return re.sub(r"\s+#.*", "", line[assignment.end() :]).strip() if assignment else ""


def headers_in(text: str) -> Iterator[tuple[str, str, int]]:
    """Every section header: its brackets ([ or [[), its dotted name without quotes, its line from 1."""
    for number, line in enumerate(lines_of(text), 1):
        if header := HEADER.match(line):
            yield header[1], ".".join(_keys(header[2])), number


def dotted(place: Place) -> str:
    """A place as messages write it: `sources.plays[0].columns`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _keys(path: str) -> list[str]:
    return [key.strip("\"'") for key in re.findall(_KEY, path)]
