"""The first records of JSON of unknown framing."""

import json
from collections.abc import Iterator
from typing import Any

from umg_assets.files.json_scanner import DEPTH, Scanner

RECORD_SEPARATOR = "\x1e"
"""Stands before each record of a JSON text sequence (RFC 7464)."""

BLANK = " \t\r\n"

Column = tuple[str, ...]
"""A column of a file: its name, and below it the names of nested fields."""


def json_records(text: str, most: int) -> tuple[list[dict[str, Any]], str]:
    """The first objects of a text, in whatever framing, and the key under which an object holds them all; else "".

    Numbers stay as written.
    """
    objects = _objects(text, most)
    if len(objects) <= 1:
        key, inside = _envelope(text, objects, most)
        if inside:
            return inside, key
    return objects, ""


def _objects(text: str, most: int) -> list[dict[str, Any]]:
    data, between = text.encode(errors="surrogatepass"), f"{BLANK},[{RECORD_SEPARATOR}".encode()
    at, objects = 0, []
    while len(objects) < most:
        while at < len(data) and data[at] in between:
            at += 1
        scanner = Scanner()
        end = scanner.end(data, at) if data.startswith(b"{", at) else None
        if end is None:
            break
        raw, at = data[at:end], end
        if scanner.deepest > DEPTH:  # no source reads it
            continue
        try:
            objects.append(json.loads(raw, parse_int=str, parse_float=str))
        except ValueError:
            break
    return objects


def _envelope(text: str, objects: list[dict[str, Any]], most: int) -> tuple[str, list[dict[str, Any]]]:
    """The key of an object under which the records lie as an array, and the first of them; else ""."""
    if objects:
        for key, value in objects[0].items():
            if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
                return key, value[:most]
        return "", []
    # too long to be read whole
    start = text.find('":')
    while start >= 0:
        after = text[start + 2 : start + 200].lstrip()
        if after.startswith("["):
            inside = _objects(text[text.index("[", start) :], most)
            if inside:
                return text[text.rindex('"', 0, start) + 1 : start], inside
        start = text.find('":', start + 2)
    return "", []


def flat(record: dict[str, Any], above: Column = ()) -> Iterator[tuple[Column, str | None]]:
    for key, value in record.items():
        if isinstance(value, dict) and value:
            yield from flat(value, (*above, key))
        else:
            yield (*above, key), _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value).lower() if isinstance(value, bool) else json.dumps(value, ensure_ascii=False, default=str)
