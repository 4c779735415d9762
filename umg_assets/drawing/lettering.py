"""How wide words are drawn, and where they break, so that no picture cuts them off. Pure.

A picture is made without a font at hand: widths are those of DejaVu Sans, rounded up, which is wider than the system
fonts of desktops and phones.
"""

import unicodedata
from collections.abc import Iterator, Sequence

_NARROW = frozenset(" iljtf.,:;'|!()[]-r")
_BROAD = frozenset("mwMW@%—")


def width_of(words: str, size: float) -> float:
    """At least the pixels that words take in letters of `size` pixels; marks on a letter and controls take none."""
    return size * sum(_share(letter) for letter in words)


def broken(words: str, width: float, size: float) -> Sequence[str]:
    """Words as lines of at most `width` pixels, in letters of `size` pixels: one line at least.

    A line ends after a blank, a comma, a colon, a slash, a hyphen or an underscore if there is one in its second half,
    else after whatever letter still fits.
    """
    lines, rest = [], " ".join(words.split())
    while width_of(rest, size) > width:
        fits = _fitting(rest, width, size)
        best = max((at + 1 for at in range(fits // 2, fits) if rest[at] in " ,:/-_"), default=fits)
        lines.append(rest[:best].rstrip())
        rest = rest[best:].lstrip()
    return [*lines, rest] if rest or not lines else lines


def _fitting(words: str, width: float, size: float) -> int:
    """How many letters fit, one at least."""
    used = 0.0
    for count, letter in enumerate(words):
        used += width_of(letter, size)
        if used > width and count:
            return count
    return len(words)


def flowed(widths: Sequence[float], width: float, gap: float) -> Iterator[tuple[int, float]]:
    """Where items of some widths go, left to right in rows of `width` pixels: (row, x) of each."""
    row, x = 0, 0.0
    for item in widths:
        if x and x + item > width:
            row, x = row + 1, 0.0
        yield row, x
        x += item + gap


def _share(letter: str) -> float:
    """The width of a letter in letters of one pixel."""
    if unicodedata.category(letter) in ("Mn", "Me", "Cf", "Cc"):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.3 if ord(letter) > 0xFFFF else 1.05
    if letter in _NARROW:
        return 0.42
    if letter in _BROAD:
        return 1.0
    return 0.8 if letter.isupper() or ord(letter) > 0x2FF else 0.65
