"""Lines and bars of a page: a rank line, a bar beside a figure, a series by day or month with its axes. Pure.

Classes for a page's style sheet: `line` and `dot` (the data), `axis` (ticks and their words), `bar`.
"""

from collections.abc import Callable, Sequence

from umg_assets.drawing.svg import Scale, element, path_of, picture, text, ticks

BLUE, GREY = "#3b5bdb", "#6b7280"


def rank_line(ranks: Sequence[int | None], size: int, label: str) -> str:
    """Ranks in order of time, the newest last, with 1 on top and `size` at the bottom; None is a gap, as when a track
    was not on the chart. label: what it shows, in words."""
    width, height = 120.0, 28.0
    across = Scale(0, max(len(ranks) - 1, 1), 4, width - 4)
    down = Scale(1, max(size, 2), 4, height - 4)
    points = [None if rank is None else (across(place), down(rank)) for place, rank in enumerate(ranks)]
    last = points[-1] if points else None
    return picture(
        width,
        height,
        label,
        path_of(points, stroke=BLUE, stroke_width=1.6, class_="line"),
        element("circle", cx=last[0], cy=last[1], r=2.6, fill=BLUE, class_="dot") if last else "",
        class_="picture rank-line",
    )


def bar(share: float, label: str) -> str:
    """A bar as long as `share` (0 to 1) of its place."""
    width = 100.0
    return picture(
        width,
        8,
        label,
        element("rect", x=0, y=0, width=max(1.0, width * share), height=8, rx=2, fill=BLUE, class_="bar"),
        class_="picture bar-line",
    )


def series(
    points: Sequence[tuple[str, float | None]],
    label: str,
    write: Callable[[float], str],
    highest: float | None = None,
    downwards: bool = False,
    size: tuple[float, float] = (320, 150),
) -> str:
    """Values over time, the newest last, from 0 (or, downwards, from rank 1 on top) to the highest.

    points: the words of each, such as a day, and its value; None is a gap. label: what it shows, in words. write: a
    value as text. highest: of several pictures on one scale; default: of these. Each point says its value when pointed
    at.
    """
    width, height = size
    values = [value for _, value in points if value is not None]
    top = highest if highest is not None else max(values, default=1)
    low, high = (1.0, max(float(top), 2.0)) if downwards else (0.0, float(top) or 1.0)
    marks = [mark for mark in ticks(low, high, 3) if not downwards or mark >= 1]
    if downwards:
        marks = [1.0, *(mark for mark in marks if mark > 1 and mark == int(mark))]
    left = 10 + 7.0 * max(len(write(mark)) for mark in marks)
    across = Scale(0, max(len(points) - 1, 1), left, width - 12)
    down = Scale(low, high, 12, height - 24) if downwards else Scale(low, high, height - 24, 12)
    at = [None if value is None else (across(place), down(value)) for place, (_, value) in enumerate(points)]
    grid = [
        element(
            "line",
            x1=left,
            x2=width - 12,
            y1=down(mark),
            y2=down(mark),
            stroke=GREY,
            stroke_opacity=0.25,
            class_="axis",
        )
        + _words(write(mark), left - 6, down(mark) + 4, "end")
        for mark in marks
    ]
    step = across(1) - across(0) if len(points) > 1 else width
    pointers = [
        element(
            "rect",
            element("title", text(f"{words}: {write(value)}")),
            x=point[0] - step / 2,
            y=0,
            width=step,
            height=height - 20,
            fill="transparent",
            class_="pointer",
        )
        for (words, value), point in zip(points, at, strict=True)
        if value is not None and point is not None
    ]
    ends = []
    if points:
        ends = [_words(points[0][0], left, height - 6, "start")]
        if len(points) > 1:
            ends.append(_words(points[-1][0], width - 12, height - 6, "end"))
    alone = [
        element("circle", cx=point[0], cy=point[1], r=2.4, fill=BLUE, class_="dot")
        for point, after in zip(at, [*at, None][1:], strict=True)
        if point is not None and after is None
    ]
    line = path_of(at, stroke=BLUE, stroke_width=1.8, class_="line")
    return picture(width, height, label, *grid, *ends, line, *alone, *pointers)


def _words(words: str, x: float, y: float, anchor: str) -> str:
    return element("text", text(words), x=x, y=y, text_anchor=anchor, font_size=11, fill=GREY, class_="axis")
