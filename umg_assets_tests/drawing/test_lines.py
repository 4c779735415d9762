"""Lines and bars: where the data land on a picture, and what it says in words."""

import re
from xml.etree import ElementTree

import pytest

from umg_assets.drawing.lines import bar, rank_line, series

SVG = "{http://www.w3.org/2000/svg}"


def written(value: float) -> str:
    """A value as text."""
    return f"{value:.0f}"


def paths(picture: str) -> list[str]:
    """The lines of a picture."""
    return [path.attrib["d"] for path in ElementTree.fromstring(picture).iter(f"{SVG}path")]


def heights(picture: str) -> list[float]:
    """The y of each point of a picture's lines."""
    return [float(y) for path in paths(picture) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]


def titles(picture: str) -> list[str | None]:
    """What the picture and its points say."""
    return [title.text for title in ElementTree.fromstring(picture).iter(f"{SVG}title")]


def test_rank_1_is_on_top_and_the_lowest_rank_at_the_bottom():
    first, last = heights(rank_line([1, 10], 10, "ranks"))
    assert first == 4
    assert last == 24


def test_a_rank_line_begins_anew_after_a_gap_and_does_not_bridge_it():
    (path,) = paths(rank_line([1, None, 2, 3], 10, "ranks"))
    assert path.count("M") == 2
    assert path.count("L") == 1


def test_the_last_rank_has_a_dot_unless_it_is_a_gap():
    assert "<circle" in rank_line([2, 1], 10, "ranks")
    assert "<circle" not in rank_line([1, None], 10, "ranks")


def test_no_ranks_at_all_are_a_picture_without_a_line():
    assert paths(rank_line([None, None], 10, "ranks")) == paths(rank_line([], 10, "ranks")) == []


def test_a_bar_is_as_long_as_its_share_and_never_quite_gone():
    widths = [
        float(ElementTree.fromstring(bar(share, "plays")).find(f"{SVG}rect").attrib["width"])  # pyright: ignore
        for share in (1, 0.5, 0)
    ]
    assert widths == [100, 50, 1]


def test_each_point_of_a_series_says_its_value_and_a_gap_says_none():
    picture = series([("Monday", 3), ("Tuesday", None), ("Wednesday", 5)], "plays", written)
    assert titles(picture) == ["plays", "Monday: 3", "Wednesday: 5"]
    (path,) = paths(picture)
    assert path.count("M") == 2
    assert "L" not in path


def test_a_series_begins_at_0_so_that_half_as_many_are_half_as_high():
    half, whole = heights(series([("a", 5), ("b", 10)], "plays", written))
    assert (half, whole) == (69, 12)  # 0 lies at 126


def test_pictures_on_one_scale_place_the_same_value_at_the_same_height():
    one = heights(series([("a", 5), ("b", 5)], "plays", written, highest=10))
    other = heights(series([("a", 5), ("b", 10)], "plays", written, highest=10))
    assert one[0] == other[0] > other[1]


def test_a_series_of_ranks_has_1_on_top_and_ticks_at_whole_ranks():
    picture = series([("a", 1), ("b", 50)], "ranks", written, highest=50, downwards=True)
    top, bottom = heights(picture)
    assert top == 12
    assert bottom == 126
    words = [text.text for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert words == ["1", "20", "40", "a", "b"]


@pytest.mark.parametrize("points", [[], [("a", None)], [("a", 7)], [("a", 0), ("b", 0)]])
def test_a_series_of_nothing_of_one_or_of_zeros_is_a_picture(points: list[tuple[str, float | None]]):
    picture = series(points, "plays", written)
    assert ElementTree.fromstring(picture).attrib["aria-label"] == "plays"
    assert "nan" not in picture
    assert "inf" not in picture


def test_hostile_words_are_words_in_a_picture():
    label = '<script>"&\u202e'
    picture = series([(label, 1)], label, lambda _: label)
    assert "<script" not in picture
    assert ElementTree.fromstring(picture).attrib["aria-label"] == '<script>"&'
    assert "style=" not in picture
