"""Bars as SVG text: figures with their names, and counts by day. Pure.

Letters, colours and classes are those of `plot`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from umg_assets.drawing.lettering import broken, width_of
from umg_assets.drawing.plot import SIZE, TONES, ground, words
from umg_assets.drawing.svg import Scale, element, picture, ticks

_WIDTH, _ROW, _HEAD = 680.0, 22.0, 26.0
_TONE, _PALE = 1, 0


def named_bars(bars: Sequence[tuple[str, int]], title: str) -> str:
    """Figures as horizontal bars, the first on top: its name on the left, in at most half of the width, cut off with …,
    and the figure at its end."""
    names = [_cut(name, _WIDTH / 2) for name, _ in bars]
    left = max((width_of(name, SIZE) for name in names), default=0) + 8
    most = max((figure for _, figure in bars), default=1)
    room = width_of(f"{most:,}", SIZE) + 8
    across = Scale(0, max(most, 1), left, _WIDTH - room)
    rows = []
    for place, (name, (_, figure)) in enumerate(zip(names, bars, strict=True)):
        top = _HEAD + place * _ROW
        rows += [
            words(left - 8, top + 15, name, anchor="end"),
            _bar(left, top + 3, max(across(figure) - left, 1), _ROW - 6, _TONE),
            words(across(figure) + 6, top + 15, f"{figure:,}"),
        ]
    height = _HEAD + len(bars) * _ROW + 4
    return picture(_WIDTH, height, title, ground(_WIDTH, height), words(0, 16, title), *rows)


def day_bars(counts: Mapping[date, int], days: Sequence[date], marked: Collection[date], title: str) -> str:
    """Counts by day as upright bars, 0 where there is none; `marked` days stand out, every seventh day is named."""
    height, foot = 200.0, 22.0
    most = max((counts.get(day, 0) for day in days), default=0)
    up = Scale(0, max(most, 1), height - foot, _HEAD)
    marks = [mark for mark in ticks(0, max(most, 1), 3) if mark == int(mark)]
    left = max(width_of(f"{mark:,.0f}", SIZE) for mark in marks) + 8
    step = (_WIDTH - left) / max(len(days), 1)
    axis = [words(left - 8, up(mark) + 4, f"{mark:,.0f}", anchor="end") for mark in marks]
    bars = [
        _bar(
            left + place * step + step * 0.1,
            up(counts[day]),
            step * 0.8,
            up(0) - up(counts[day]),
            _TONE if day in marked else _PALE,
        )
        for place, day in enumerate(days)
        if counts.get(day)
    ]
    names = [
        words(left + place * step, height - 6, f"{day:%d %b}")
        for place, day in enumerate(days)
        if place % 7 == 0 and left + place * step + width_of("00 Mmm", SIZE) < _WIDTH
    ]
    return picture(_WIDTH, height, title, ground(_WIDTH, height), words(0, 16, title), *axis, *bars, *names)


def _bar(x: float, y: float, width: float, height: float, tone: int) -> str:
    return element("rect", x=x, y=y, width=width, height=height, fill=TONES[tone], class_=f"fill-{tone}")


def _cut(name: str, width: float) -> str:
    first, *more = broken(name, width - width_of("…", SIZE), SIZE)
    return f"{first}…" if more else first
