"""The forms in which what identifies a person may be written: encodings, and what stands beside it in a text."""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, quote_plus

LABELS = ("", "user_key", "user_key as bytes", "sealed")
"""What the byte strings of a person are, by position; those after the last are sealed values, too."""
LEAST_BASE64, LEAST_HEX, LEAST_UNBOUND, RANDOM_BYTES = 5, 6, 8, 16
"""Characters of a piece of base64, and of hex, to be searched at all (four digits of hex stand by chance in numbers and
UUIDs), and of either to be found inside a word; bytes of a derived value (key, sealed value) that is found there."""
SEPARATOR = b"\xff"
"""Between values that are searched together: no byte of UTF-8, no length, and no part of a word."""

_ENCODINGS = ("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "iso8859-2", "iso8859-15", "koi8-r", "cp437", "cp852")
_ENCODINGS += ("shift_jis", "euc-jp", "gbk", "big5", "euc-kr")
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_DIGITS = frozenset(b"0123456789")
_TEXT = frozenset((*range(0x20, 0x7F), *b"\t\n\r"))
_SOME = 4


class Form(NamedTuple):
    """One way to write one byte string of one person.

    how: its name, for a finding. unit: "utf-8" or the UTF-16 whose code units stand beside it. begins, ends: whether it
    is a part of a longer word when a word's character stands before, or after, it.
    """

    pattern: bytes
    how: str
    person: int
    unit: str
    begins: bool
    ends: bool
    lengths: tuple[bytes, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it is what identifies the person itself, as it is."""
        return bool(self.lengths)


def forms_of(people: Sequence[Sequence[bytes]]) -> Iterator[Form]:
    """Every form of every byte string of every person: each pattern once a person, under its first name."""
    for person, identities in enumerate(people):
        seen: set[bytes] = set()
        for position, identity in enumerate(identities):
            label = LABELS[min(position, len(LABELS) - 1)]
            for form in _forms(identity, label, person, position > 0 and len(identity) >= RANDOM_BYTES):
                if form.pattern and form.pattern not in seen:
                    seen.add(form.pattern)
                    yield form


def _forms(identity: bytes, label: str, person: int, is_random: bool) -> Iterator[Form]:
    def form(pattern: bytes, how: str, unit: str = "utf-8", plain: bool = False, unbound: bool = is_random) -> Form:
        begins, ends = (
            (_is_word_unit(pattern[:2], unit), _is_word_unit(pattern[-2:], unit))
            if unit != "utf-8"
            else (_is_word(pattern[0]), _is_word(pattern[-1]))
        )
        lengths = _lengths(len(pattern)) if plain else ()
        name = label if label and how == "plain" else f"{label} {how}".strip()
        return Form(pattern, name, person, unit, begins and not unbound, ends and not unbound, lengths)

    if not identity:
        return
    yield form(identity, "plain", plain=True)
    text = _text_of(identity)
    if text is not None:
        yield form(text.encode("utf-16-le"), "utf-16", "utf-16-le", plain=True)
        yield form(text.encode("utf-16-be"), "utf-16", "utf-16-be", plain=True)
        for quoted in dict.fromkeys([quote(text), quote(text, safe=""), quote_plus(text)]):
            for pattern in (quoted, re.sub("%..", lambda found: found[0].lower(), quoted)):
                if pattern != text:
                    yield form(pattern.encode(), "percent-encoded")
        for mark in ('"', "'", "\\"):
            if mark in text:
                yield form(text.replace(mark, 2 * mark).encode(), "quoted", plain=True)
        for encoding in () if text.isascii() else _ENCODINGS:
            try:
                yield form(text.encode(encoding), encoding, plain=True)
            except UnicodeEncodeError:
                continue
        if re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text):
            yield form(bytes.fromhex(text.replace("-", "")), "uuid as bytes", unbound=True)
    digits = identity.hex().encode()
    for pattern in (digits, digits.upper()) if len(digits) >= LEAST_HEX else ():
        yield form(pattern, "hex", unbound=len(pattern) >= LEAST_UNBOUND)
    for pattern in _base64(identity):
        yield form(pattern, "base64", unbound=len(pattern) >= LEAST_UNBOUND)


def _base64(identity: bytes) -> Iterator[bytes]:
    """The whole of it encoded, and what is the same wherever it stands in what was encoded: at three alignments."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        texts = [encode(identity).rstrip(b"=")]
        for before in range(3):
            whole = encode(bytes(before) + identity)
            texts.append(whole[-(-before * 8 // 6) : (before + len(identity)) * 8 // 6])
        yield from (text for text in texts if len(text) >= LEAST_BASE64)


def _text_of(identity: bytes) -> str | None:
    try:
        text = identity.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _lengths(size: int) -> tuple[bytes, ...]:
    """How binary formats write a length before a value: four bytes, a varint, a zigzag varint of up to two bytes."""
    return (size.to_bytes(4, "little"), *(_varint(number) for number in (size, 2 * size) if number < 1 << 14))


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def _is_word(byte: int) -> bool:
    return byte in _WORD or byte >= 0x80


def stands_alone(form: Form, data: bytes, start: int, end: int) -> bool:
    """Whether a match is no part of a longer word: the characters beside it are no letters, digits or underscores."""
    if form.unit != "utf-8":
        before = not form.begins or start < 2 or not _is_word_unit(data[start - 2 : start], form.unit)
        return before and (not form.ends or not _is_word_unit(data[end : end + 2], form.unit))
    before = not form.begins or not start or not _ends_in_word(data, start)
    return before and (not form.ends or not _begins_with_word(data, end))


def _is_word_unit(unit: bytes, encoding: str) -> bool:
    character = unit.decode(encoding, "replace") if len(unit) == 2 else ""
    return character.isalnum() or character == "_"


def _ends_in_word(data: bytes, at: int) -> bool:
    byte = data[at - 1]
    if byte < 0x80 or byte == SEPARATOR[0]:
        return byte in _WORD
    return _is_letter([data[max(0, at - size) : at] for size in (2, 3, 4)], byte)


def _begins_with_word(data: bytes, at: int) -> bool:
    if at >= len(data):
        return False
    byte = data[at]
    if byte < 0x80 or byte == SEPARATOR[0]:
        return byte in _WORD
    return _is_letter([data[at : at + size] for size in (2, 3, 4)], byte)


def _is_letter(pieces: Sequence[bytes], byte: int) -> bool:
    """Whether a character beyond ASCII is a letter or digit: a typographic quote is none. UTF-8, else Windows-1252."""
    for piece in pieces:
        try:
            character = piece.decode()
        except UnicodeDecodeError:
            continue
        if len(character) == 1:
            return character.isalnum()
    return bytes([byte]).decode("cp1252", "replace").isalnum()


def stands_in_text(data: bytes, start: int, end: int) -> bool:
    """Whether a match has characters of ASCII text on both sides, and some of them on one, as in JSON or a message."""
    before, after = data[max(0, start - _SOME) : start], data[end : end + _SOME]
    beside = before[-1:] + after[:1]
    return (
        len(beside) == 2
        and _TEXT.issuperset(beside)
        and any(len(side) == _SOME and _TEXT.issuperset(side) for side in (before, after))
    )


def follows_its_length(form: Form, data: bytes, start: int) -> bool:
    """Whether the length of a match stands before it, as in binary formats."""
    return any(data[max(0, start - len(length)) : start] == length for length in form.lengths)


def is_part_of_number(form: Form, data: bytes, start: int, end: int) -> bool:
    """Whether a match of digits has digits beside it."""
    beside = data[max(0, start - 1) : start] + data[end : end + 1]
    return form.pattern.isdigit() and any(byte in _DIGITS for byte in beside)
