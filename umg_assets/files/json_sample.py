"""The first records of JSON of unknown framing."""

import json
from collections.abc import Iterator
from typing import Any

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
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    between = f"{BLANK},[{RECORD_SEPARATOR}"
    at, objects = 0, []
    while len(objects) < most:
        while at < len(text) and text[at] in between:
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict):
            break
        objects.append(value)
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
