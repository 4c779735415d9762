"""A stream of JSON text, read value by value: a scanner finds where a value ends, and no more than one is held."""

import re
from collections.abc import Iterator

from umg_assets.files.json_lines import BLANK_BYTES
from umg_assets.files.json_scanner import DEPTH, Scanner
from umg_assets.files.rejects import BROKEN_JSON, REFUSAL_CHARACTERS, TOO_DEEP, TOO_LARGE, UNREADABLE_REST

BEHIND = 256  # bytes kept before the position, to see how far its line is indented
SCALAR = re.compile(rb'[^\s,\[\]{}"\x1e]++|[\]}]')
_BETWEEN = re.compile(rb"[\s,:\x1e]*+")

Value = tuple[bytes, str | None]
"""The bytes of a record, or the first of them, and the reason why it is a reject; None: it is still to be decoded."""


class JsonStream:
    """The text of a file from a position on, as far as it has been read."""

    def __init__(self, blocks: Iterator[tuple[bytes, bool]], at_most: int) -> None:
        self._blocks, self._at_most = blocks, at_most
        self._ended = False
        self.before = 0
        self.data, self.at = b"", 0

    @property
    def place(self) -> int:
        """The position in the file."""
        return self.before + self.at

    def more(self) -> bool:
        """Read a block and forget what lies before the position; False at the end of the file."""
        if self._ended:
            return False
        block, self._ended = next(self._blocks)
        kept = min(self.at, BEHIND)
        self.before += self.at - kept
        self.data, self.at = self.data[self.at - kept :] + block, kept
        return True

    def skip(self, pattern: re.Pattern[bytes] = _BETWEEN) -> bytes:
        """Skip what the pattern matches; the next byte, none at the end of the file."""
        while True:
            match = pattern.match(self.data, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.data):
                return self.data[self.at : self.at + 1]
            if not self.more():
                return b""

    def take(self, pattern: re.Pattern[bytes]) -> bytes:
        """What the pattern matches from the position on."""
        while True:
            match = pattern.match(self.data, self.at)
            end = match.end() if match else self.at
            if end < len(self.data) or end - self.at > self._at_most or not self.more():
                taken, self.at = self.data[self.at : end], end
                return taken

    def rest(self) -> Value:
        """The beginning of all that is left, read to its end."""
        beginning = self.data[self.at : self.at + REFUSAL_CHARACTERS]
        self.at = len(self.data)
        while self.more():
            self.at = len(self.data)
        return beginning, UNREADABLE_REST

    def value(self, next_record: re.Pattern[bytes] | None) -> Value:
        """The value at the position. next_record: where reading may go on if the value's end cannot be seen."""
        if self.data[self.at] not in b'{["':
            return self.take(SCALAR), BROKEN_JSON
        scanner, at, beginning = Scanner(), self.at, None
        if self.data[at] == ord('"'):
            scanner.in_string, at = True, at + 1
        while (end := scanner.end(self.data, at)) is None:
            if len(self.data) - self.at > self._at_most and beginning is None:
                if next_record and next_record.search(self.data, self.at + 1):
                    return self._resume(next_record)
                beginning = self.data[self.at : self.at + REFUSAL_CHARACTERS]
            if beginning is not None:
                self.at = len(self.data)
            scanned = len(self.data) - self.at
            if not self.more():
                return self._resume(next_record) if beginning is None else (beginning, UNREADABLE_REST)
            at = self.at + scanned
        if scanner.broken:
            return self._resume(next_record) if beginning is None else (beginning, self.rest()[1])
        raw = self.data[self.at : end] if beginning is None else beginning
        too_large = beginning is not None or len(raw) > self._at_most
        self.at = end
        return raw, TOO_LARGE if too_large else TOO_DEEP if scanner.deepest > DEPTH else None

    def _resume(self, next_record: re.Pattern[bytes] | None) -> Value:
        while next_record:
            match = next_record.search(self.data, self.at + 1)
            if match:
                raw, self.at = self.data[self.at : match.start()], match.start()
                return raw.rstrip(BLANK_BYTES + b","), BROKEN_JSON
            if len(self.data) - self.at > self._at_most or not self.more():
                break
        return self.rest()
