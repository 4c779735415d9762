"""Plots as SVG text: an area with axes, lines, bands, intervals with their estimate, a legend. Pure.

Colours are numbered tones: each mark has one as a presentation attribute, and the class `stroke-N` or `fill-N` by
which a page's style sheet gives it another, for a dark page say. Words have the class `words` or `words-dim`, rules
`rule` or `rule-dim`, the ground behind all `ground`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from umg_assets.drawing.lettering import broken, flowed, width_of
from umg_assets.drawing.svg import Scale, element, path_of, text

TONES = ("#6b7280", "#1b6ca8", "#c8553d", "#3a7d44", "#7b4f9d", "#8a6d1f")
"""Colours of series; tone 0 is for what others are compared with. Beyond the last they begin again at 1."""
SIZE = 13.0
"""Pixels of a letter."""
LINE = 17.0
"""Pixels from one line of words to the next."""

Mark = Literal["dots", "line", "dashed", "dotted", "thick", "thin", "band"]
_STROKES: dict[str, tuple[float, str | None]] = {
    "dots": (2, None), "line": (2, None), "dashed": (1.5, "6 4"), "dotted": (1.5, "1.5 4"), "thick": (4, None),
    "thin": (1.5, None),
}  # fmt: skip


class Entry(NamedTuple):
    """A line of a legend: a mark in its tone, and what it is."""

    mark: Mark
    tone: int
    name: str


@dataclass(frozen=True)
class Area:
    """Where data are drawn. x: from data to pixels, from left to right. y: to pixels, from bottom to top."""

    x: Scale
    y: Scale

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels."""
        return self.x.start, self.y.end, self.x.end - self.x.start, self.y.start - self.y.end

    def clipped(self, *marks: str) -> str:
        """Marks, in the picture's own pixels, without what lies outside the area."""
        left, top, width, height = self.box
        view = " ".join(f"{side:.1f}" for side in self.box)
        return element("svg", *marks, x=left, y=top, width=width, height=height, viewBox=view) if any(marks) else ""

    def points(self, xs: Iterable[float], ys: Iterable[float | None]) -> list[tuple[float, float] | None]:
        """Data as pixels; None stays, a gap."""
        return [None if y is None else (self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True)]


def tone_of(number: int) -> int:
    """The tone of a series by its number, from 0, whatever it is."""
    return number if number < len(TONES) else 1 + (number - 1) % (len(TONES) - 1)


def ground(width: float, height: float) -> str:
    """What the picture stands on, so that its words can be read on any page."""
    return element("rect", width=width, height=height, fill="#ffffff", class_="ground")


def words(x: float, y: float, line: str, *, dim: bool = False, anchor: str | None = None, bold: bool = False) -> str:
    """One line of words whose letters stand on y, with a seam of the ground's colour that keeps rules off them.

    anchor: start (if None), middle or end, which x is.
    """
    return element(
        "text", text(line), x=x, y=y, font_size=SIZE, font_family="system-ui, 'DejaVu Sans', sans-serif",
        fill="#5b6270" if dim else "#1f2430", class_="words-dim" if dim else "words", text_anchor=anchor,
        font_weight="600" if bold else None, stroke="#ffffff", stroke_width=4, paint_order="stroke",
    )  # fmt: skip


def paragraph(
    x: float, y: float, width: float, said: str, *, dim: bool = False, bold: bool = False
) -> tuple[str, float]:
    """Words in as many lines as they need from the top y; returns them and the y below."""
    lines = broken(said, width / 1.06 if bold else width, SIZE)
    drawn = "".join(
        words(x, y + SIZE + at * LINE, line, dim=dim, bold=bold) for at, line in enumerate(lines)
    )  # fmt: skip
    return drawn, y + len(lines) * LINE


def stroke(points: Iterable[tuple[float, float] | None], tone: int, mark: Mark = "line") -> str:
    """A line through pixels in the manner of a mark; `dots` has a dot on each point, too."""
    points, (width, dashes) = list(points), _STROKES[mark]
    drawn = path_of(
        points, stroke=TONES[tone], stroke_width=width, stroke_dasharray=dashes, class_=f"stroke-{tone}",
        stroke_linecap="butt" if dashes else "round",
    )  # fmt: skip
    dots = [dot(*point, tone, 3) for point in points if point is not None] if mark == "dots" else []
    return drawn + "".join(dots)


def dot(x: float, y: float, tone: int, radius: float) -> str:
    """A dot on a pixel."""
    return element("circle", cx=x, cy=y, r=radius, fill=TONES[tone], class_=f"fill-{tone}")


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], tone: int) -> str:
    """The surface between two lines of pixels, both from left to right."""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *reversed(lower)))
    return element("polygon", points=corners, fill=TONES[tone], fill_opacity="0.14", class_=f"fill-{tone}")


def rule(x1: float, y1: float, x2: float, y2: float, *, dim: bool = False) -> str:
    """A straight rule of an axis; dim: one of the grid."""
    colour, class_ = ("#e5e7eb", "rule-dim") if dim else ("#8a909c", "rule")
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=1, class_=class_)


def interval(area: Area, low: float, at: float, high: float, y: float, tone: int, mark: Mark) -> str:
    """An estimate as a dot on its interval, along the x axis, at the pixel y."""
    line = stroke([(area.x(low), y), (area.x(high), y)], tone, mark)
    return line + dot(area.x(at), y, tone, 5)


def below(area: Area, values: Iterable[float], label: Callable[[float], str], title: str) -> tuple[str, float]:
    """The x axis: a rule of the grid and a label at each value, the title below; returns it and the y below it.

    A label keeps within the picture; one that would touch the label before it is left out.
    """
    left, top, width, height = area.box
    bottom, drawn, free = top + height, [], 0.0
    for value in values:
        x, half = area.x(value), width_of(label(value), SIZE) / 2
        drawn.append(rule(x, top, x, bottom, dim=True))
        middle = min(max(x, half), left + width - half)
        if middle - half >= free:
            drawn.append(words(middle, bottom + LINE, label(value), dim=True, anchor="middle"))
            free = middle + half + 6
    said, end = paragraph(2, bottom + LINE + 6, left + width - 2, title, dim=True)
    return "".join(drawn) + said, end


def beside(area: Area, values: Iterable[float], label: Callable[[float], str]) -> str:
    """The y axis: a rule of the grid and a label at each value."""
    left, _, width, _ = area.box
    drawn = []
    for value in values:
        y = area.y(value)
        drawn.append(rule(left, y, left + width, y, dim=True))
        drawn.append(words(left - 6, y + SIZE / 3, label(value), dim=True, anchor="end"))
    return "".join(drawn)


def legend(entries: Sequence[Entry], y: float, width: float) -> tuple[str, float]:
    """Marks with their tone and name, in as many rows as they need from the top y; returns them and the y below."""
    sample, drawn, rows = 26.0, [], []
    named: list[tuple[Mark, int, Sequence[str]]] = [
        (mark, tone, broken(name, width - sample, SIZE)) for mark, tone, name in entries
    ]
    places = list(flowed([sample + max(width_of(line, SIZE) for line in lines) for *_, lines in named], width, 14))
    for at in range(1 + max((row for row, _ in places), default=-1)):
        rows.append(max(len(lines) for (*_, lines), (row, _) in zip(named, places, strict=True) if row == at))
    for (mark, tone, lines), (row, x) in zip(named, places, strict=True):
        top = y + LINE * sum(rows[:row])
        middle = top + SIZE * 0.65
        if mark == "band":
            drawn.append(band([(x, middle - 5), (x + 20, middle - 5)], [(x, middle + 5), (x + 20, middle + 5)], tone))
        else:
            drawn.append(stroke([(x, middle), (x + 20, middle)], tone, "line" if mark == "dots" else mark))
            drawn.append(dot(x + 10, middle, tone, 3) if mark == "dots" else "")
        drawn += [words(x + sample, top + SIZE + nth * LINE, line) for nth, line in enumerate(lines)]
    return "".join(drawn), y + LINE * sum(rows)
