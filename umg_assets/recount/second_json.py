"""The second reader of JSON: ijson counts a file's records; where it finds no JSON, brackets alone are counted.

Imports nothing of the parser. What counts as a record is said in docs/sources.md.
"""

import io
import json
import re
from collections.abc import Iterator

import ijson

_HEAD_BYTES = 64 << 10
# ijson's time for one long text grows with the number of buffers that it spans, squared
_BUFFER_BYTES = 32 << 20
# Python makes no int of more digits, and ijson's parser in C then ends the process
_LONG_NUMBER = re.compile(rb"[0-9]{4000,}+")
_SEPARATOR = re.compile(rb"[\s,:\x1e]*")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?P<closing>"?)|(?P<open>[{\[])|(?P<close>[}\]])', re.DOTALL)
_BARE = re.compile(rb'[^\s,\[\]{}"\x1e]+|[\]}]')
_STRAY = re.compile(rb"[^\n\x1e{\[]+")
_INDENT = re.compile(rb"\n[ \t]*\Z")
_PAIRS = {b"{": b"}", b"[": b"]"}
_DEPTH = 200
_BELOW = "\0"


def count_json(data: bytes, records: str | None = None) -> int:
    """The number of records in JSON of any framing, without a mark. records: the dotted path to their array."""
    if records is None and _is_lines(data):
        return count_lines(data)
    try:
        return _valid(data, records)
    except (ijson.JSONError, ValueError):
        return _Brackets(data).count(records)


def count_lines(data: bytes) -> int:
    """The number of lines that are not blank. A line of spaces that JSON does not know (U+00A0, U+2028) is a record."""
    return sum(1 for line in data.splitlines() if line.strip())


def _is_lines(data: bytes) -> bool:
    lines = [line for line in data[:_HEAD_BYTES].splitlines() if line.strip()]
    if len(data) >= _HEAD_BYTES and len(lines) > 1:
        lines.pop()
    if not lines or sum(map(_is_object, lines)) * 2 > len(lines):
        return True
    first, second = lines[0].strip(), lines[1].strip() if len(lines) > 1 else b""
    several = first[:1] in (b"[", b"\x1e") or re.search(rb"}\s*{", first)
    return not several and not (first[:1] == b"{" and second[:1] in (b'"', b"}"))


def _is_object(line: bytes) -> bool:
    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        return not _is_deep(line) and isinstance(json.loads(line.decode(), parse_constant=no_constant), dict)
    except ValueError:
        return False


def _is_deep(line: bytes) -> bool:
    """Whether the line's first value is nested more deeply than a record may be."""
    depth = 0
    for token in _TOKEN.finditer(line) if line.count(b"{") + line.count(b"[") > _DEPTH else ():
        depth += bool(token["open"]) - bool(token["close"])
        if depth > _DEPTH:
            return True
        if depth <= 0:
            return False
    return False


def _events(data: bytes, levels: int) -> Iterator[tuple[str, str]]:
    """(prefix, event) as `ijson.parse` gives them, whose prefixes of deep values would fill the memory.

    Values more than `levels` deep have no prefix. Raises ValueError where they are too deep for records.
    """
    outer: list[str | None] = []
    here: str | None = None
    text = io.BytesIO(_LONG_NUMBER.sub(b"1", data))
    for event, key in ijson.basic_parse(text, multiple_values=True, use_float=True, buf_size=_BUFFER_BYTES):
        if event == "map_key":
            yield outer[-1] or "", event
            here = key if outer[-1] is None else f"{outer[-1]}.{key}" if len(outer) <= levels else _BELOW
            continue
        if event in ("end_map", "end_array"):
            here = outer.pop()
        yield here or "", event
        if event in ("start_map", "start_array"):
            outer.append(here)
            if len(outer) > 2 * _DEPTH:
                raise ValueError("nested too deeply")
            if event == "start_array":
                here = "item" if here is None else f"{here}.item" if len(outer) <= levels else _BELOW


def _valid(data: bytes, records: str | None) -> int:
    """Raises JSONError or ValueError if the text is not all JSON of objects and arrays."""
    ends = ("end_map", "end_array", "map_key")
    array, top = "item" if records is None else f"{records}.item", ""
    count, has_array, in_array = 0, False, False
    for prefix, event in _events(data.replace(b"\x1e", b"\n"), len(array.split(".")) + 2):
        if prefix == array and event not in ends and (in_array or records is not None):
            count += 1
        elif records is not None and prefix == array.removesuffix(".item") and event in ("start_array", "null"):
            has_array = True
        elif prefix == top and event == "start_map":
            in_array, has_array = False, False
            count += records is None
        elif prefix == top and event == "end_map" and records is not None and not has_array:
            count += 1
        elif records is not None and prefix == "" and event in ("start_array", "end_array"):
            # its objects, each with an array of records
            top, array = ("item", f"item.{records}.item") if event == "start_array" else ("", f"{records}.item")
        elif top and prefix == top and event != "map_key" and event != "end_map":
            raise ValueError(f"{event} where an object is expected")
        elif prefix == "" and event == "start_array":
            in_array = True
        elif prefix == "" and event not in ends:
            raise ValueError(f"{event} outside arrays and objects")
    return count


class _Brackets:
    """Counts the records of text that is not all JSON: values whose brackets close, or that end before the next one."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.counted = data, 0, 0
        self.cut = self.has_array = False

    def count(self, records: str | None) -> int:
        path = records.split(".") if records else None
        arrays = 0
        while not self.cut and (mark := self._mark()):
            if path and (mark == b"[" or (mark == b"]" and arrays)):
                self.at, arrays = self.at + 1, arrays + (1 if mark == b"[" else -1)
            elif mark == b"{" and path:
                self.has_array = False
                self._object(path)
                self.counted += not self.has_array and not self.cut
            elif mark == b"{":
                self._record(re.compile(rb"\x1e|\n(?=\{)"))
            elif mark == b"[":
                self._array()
            else:
                self.at = _ends(_STRAY, self.data, self.at)
                self.counted += 1
        return self.counted + (arrays > 0 and not self.cut)

    def _mark(self) -> bytes:
        self.at = _ends(_SEPARATOR, self.data, self.at)
        return self.data[self.at : self.at + 1]

    def _cut(self) -> None:
        self.counted, self.cut = self.counted + 1, True

    def _end(self) -> int | None:
        """Where the value at the position ends; None if its brackets or quotes do not close."""
        if self.data[self.at : self.at + 1] not in (b"{", b"[", b'"'):
            return _ends(_BARE, self.data, self.at)
        closing: list[bytes] = []
        for token in _TOKEN.finditer(self.data, self.at):
            if token["open"]:
                closing.append(_PAIRS[token["open"]])
            elif token["close"]:
                if not closing or closing.pop() != token["close"]:
                    return None
            elif not token["closing"]:
                return None
            if not closing:
                return token.end()
        return None

    def _record(self, following: re.Pattern[bytes] | None) -> None:
        self.counted += 1
        end = self._end()
        if end is None:
            match = following.search(self.data, self.at + 1) if following else None
            end, self.cut = match.start() if match else len(self.data), match is None
        self.at = end

    def _array(self) -> None:
        self.at += 1
        following = None
        while not self.cut and (mark := self._mark()) != b"]":
            if not mark:
                self._cut()
                return
            indent = _INDENT.search(self.data, max(0, self.at - 256), self.at)
            if mark == b"{" and indent:
                following = re.compile(indent[0] + rb"(?=\{)")
            self._record(following)
        self.at += 1

    def _object(self, path: list[str]) -> None:
        self.at += 1
        while not self.cut and (mark := self._mark()) != b"}":
            end = self._end() if mark == b'"' else None
            if end is None:
                self._cut()
                return
            key, self.at = self.data[self.at : end], end
            mark = self._mark()
            try:
                name = json.loads(key)
            except ValueError:
                name = None
            if name == path[0] and len(path) > 1 and mark == b"{":
                self._object(path[1:])
            elif name == path[0] and len(path) == 1 and mark == b"[":
                self.has_array = True
                self._array()
            elif not mark or (end := self._end()) is None:
                self._cut()
            else:
                self.has_array |= name == path[0] and self.data[self.at : end] == b"null"
                self.at = end
        self.at += 1


def _ends(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at
