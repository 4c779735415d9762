"""Texts without the escapes of JSON, XML and URLs, so that an id is seen however it is written."""

import re

_ESCAPES_WITHIN = 3
_ESCAPE = re.compile(
    rb"[\\&%](?:(?<=\\)\\*(?:(?P<json>u[0-9a-fA-F]{4}(?:\\+u[0-9a-fA-F]{4})*)|x(?P<x>[0-9a-fA-F]{2})"
    rb"|(?P<one>[nrtbf\"'/\\]))|(?<=&)(?:#(?P<decimal>[0-9]{1,8});|#[xX](?P<hex>[0-9a-fA-F]{1,8});"
    rb"|(?P<named>amp|lt|gt|quot|apos);)|(?<=%)(?P<percent>[0-9a-fA-F]{2}))"
)  # it begins with one set of characters, so that re scans for those
_ONE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


def unescaped(text: bytes) -> bytes:
    """A text without its JSON, XML and URL escapes, as UTF-8; itself if it has none."""
    for _ in range(_ESCAPES_WITHIN):
        if b"\\" not in text and b"&" not in text and b"%" not in text:
            break
        text, count = _ESCAPE.subn(_replaced, text)
        if not count:
            break
    return text


def _replaced(found: re.Match[bytes]) -> bytes:
    kind, text = found.lastgroup, found[found.lastgroup or 0]
    if kind == "json":
        units = re.findall(rb"u([0-9a-fA-F]{4})", text)
        return bytes.fromhex(b"".join(units).decode()).decode("utf-16-be", "replace").encode()
    if kind in ("x", "percent"):
        return bytes.fromhex(text.decode())
    if kind == "one":
        return _ONE.get(text, text)
    if kind == "named":
        return _NAMED[text]
    number = int(text, 10 if kind == "decimal" else 16)
    return chr(number).encode("utf-8", "replace") if number < 0x110000 else found[0]
