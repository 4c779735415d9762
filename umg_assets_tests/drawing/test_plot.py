"""Plots as SVG text: what lies outside is cut, what is said is not."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from umg_assets.drawing.plot import TONES, Area, Entry, below, interval, legend, paragraph, stroke, tone_of
from umg_assets.drawing.svg import Scale, picture

AREA = Area(Scale(0, 10, 20, 220), Scale(0, 1, 120, 20))


def marks_of(svg: str, name: str) -> list[dict[str, str]]:
    """The attributes of every element of a name, in order."""
    tree = ElementTree.fromstring(picture(240, 140, "test", svg))
    return [element.attrib for element in tree.iter(f"{{http://www.w3.org/2000/svg}}{name}")]


def test_marks_beyond_the_area_lie_in_a_view_that_cuts_them_off():
    svg = AREA.clipped(stroke(AREA.points((0, 5, 10), (0.5, 9.0, 0.5)), 1))
    view = marks_of(svg, "svg")[1]
    assert (view["x"], view["y"], view["width"], view["height"]) == ("20", "20", "200", "100")
    assert view["viewBox"] == "20.0 20.0 200.0 100.0", "pixels inside are those outside"


def test_a_missing_value_is_a_gap_in_the_line():
    (line,) = marks_of(stroke(AREA.points((0, 1, 2, 3), (0.1, None, 0.2, 0.3)), 1), "path")
    assert line["d"].count("M") == 2


def test_an_interval_runs_from_end_to_end_with_its_estimate_between():
    svg = interval(AREA, 2, 3, 6, 50, 2, "thick")
    (line,), (dot,) = marks_of(svg, "path"), marks_of(svg, "circle")
    assert re.findall(r"[\d.]+", line["d"])[:2] == ["60", "50"]
    assert line["d"].endswith("L140 50")
    assert (dot["cx"], dot["cy"], dot["fill"]) == ("80", "50", TONES[2])
    assert float(line["stroke-width"]) > float(
        marks_of(interval(AREA, 2, 3, 6, 50, 2, "thin"), "path")[0]["stroke-width"]
    )


def test_labels_of_an_axis_neither_touch_nor_leave_the_picture():
    axis, _ = below(AREA, [0, 0.1, 5, 9.99, 10], lambda value: f"{value:,.2f} thousand", "title")
    places = [float(words["x"]) for words in marks_of(axis, "text") if words.get("text-anchor") == "middle"]
    assert len(places) < 5
    assert all(right - left >= 90 for left, right in pairwise(places))
    assert max(places) <= 220
    assert len(marks_of(axis, "line")) == 5, "every value has its rule"


def test_a_legend_of_long_names_takes_as_many_lines_as_they_need():
    one, below_one = legend([Entry("dots", 1, "b"), Entry("dashed", 1, "bound")], 0, 400)
    long, below_long = legend([Entry("dots", 1, "b" * 90), Entry("band", 0, "fair")], 0, 400)
    assert len({words["y"] for words in marks_of(one, "text")}) == 1
    assert below_long > 2 * below_one
    assert max(float(words["y"]) for words in marks_of(long, "text")) < below_long


def test_words_with_markup_are_words():
    drawn, _ = paragraph(0, 0, 200, "<b>&\u202e")
    (words,) = ElementTree.fromstring(picture(240, 140, "test", drawn)).iter("{http://www.w3.org/2000/svg}text")
    assert words.text == "<b>&"


@pytest.mark.parametrize(("number", "tone"), [(0, 0), (1, 1), (5, 5), (6, 1), (10, 5), (11, 1)])
def test_series_beyond_the_last_tone_never_get_that_of_the_control(number: int, tone: int):
    assert tone_of(number) == tone
