"""Where JSON values end and how deeply they are nested, told by their brackets and quotes alone: nothing is decoded."""

import re

DEPTH = 200
"""A record whose values are nested more deeply, itself counted, is a reject."""
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_CLOSING = {ord("{"): ord("}"), ord("["): ord("]")}


class Scanner:
    """Finds the end of an object, an array or a string that may lie in several pieces of text."""

    def __init__(self) -> None:
        self.open = bytearray()
        self.in_string = self.escaped = self.broken = False
        self.deepest = 0

    def end(self, text: bytes, at: int) -> int | None:
        """The position after the value's end, or of a bracket that does not fit (`broken`); None: it goes on."""
        if self.escaped and at < len(text):
            at, self.escaped = at + 1, False
        while at < len(text):
            at = (_IN_STRING if self.in_string else _TO_BRACKET).match(text, at).end()  # type: ignore[union-attr]
            if at == len(text):
                break
            mark, at = text[at], at + 1
            if mark == ord("\\"):
                self.escaped = True
            elif mark == ord('"'):
                self.in_string = not self.in_string
            elif mark in _CLOSING:
                self.open.append(_CLOSING[mark])
                self.deepest = max(self.deepest, len(self.open))
            elif self.open and mark == self.open[-1]:
                self.open.pop()
            else:
                self.broken = True
                return at - 1
            if not self.open and not self.in_string and not self.escaped:
                return at
        return None


def may_be_deep(text: bytes) -> bool:
    """Whether a text has brackets enough to be nested too deeply."""
    return text.count(b"{") + text.count(b"[") > DEPTH


def is_deep(text: bytes) -> bool:
    """Whether the value that a text begins with is nested too deeply."""
    if not may_be_deep(text):
        return False
    scanner = Scanner()
    scanner.end(text, 0)
    return scanner.deepest > DEPTH
