"""SVG elements as text, and the scales that place data on a picture. Pure.

Colours are presentation attributes, so that a picture looks right by itself (an image, a file); a page's style sheet
overrides them by class. There is no style attribute: a page may forbid them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


def element(name: str, *children: str, **attributes: object) -> str:
    """An element. children: markup, see `text`. attributes: `class_` gives class, `stroke_width` gives stroke-width;
    numbers are rounded to a tenth; what is None is left out."""
    shown = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{shown}>{''.join(children)}</{name}>" if children else f"<{name}{shown}/>"


def text(words: str) -> str:
    """Words as markup: nothing in them is read as an element, and control characters are left out."""
    return escape("".join(letter for letter in words if letter.isprintable()))


def picture(width: float, height: float, label: str, *children: str, class_: str = "picture") -> str:
    """A whole SVG picture that scales to its place. label: what it shows, for those who do not see it."""
    return element(
        "svg",
        element("title", text(label)),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        role="img",
        aria_label="".join(letter for letter in label if letter.isprintable()),
        class_=class_,
    )


def path_of(points: Iterable[tuple[float, float] | None], **attributes: object) -> str:
    """A line through points; None is a gap. A point with a gap on both sides is drawn as a dot by its round cap."""
    steps, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        steps.append(f"{pen}{_plain(point[0])} {_plain(point[1])}" + ("h0" if pen == "M" else ""))
        pen = "L"
    attributes = {"fill": "none", "stroke_linecap": "round", "stroke_linejoin": "round", **attributes}
    return element("path", d="".join(steps), **attributes) if steps else ""


@dataclass(frozen=True)
class Scale:
    """Maps data linearly from `low`..`high` to the pixels `start`..`end`; a span of 0 lands in the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, count: int = 4) -> Sequence[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
