"""Words in a picture fit where they stand."""

import pytest

from umg_assets.drawing.lettering import broken, flowed, width_of


@pytest.mark.parametrize(
    "words",
    ["session_duration", "w" * 300, "one two three four five six seven", "播放時長" * 20, "a_b" * 40, "❤️ " * 30, "x"],
)
def test_broken_lines_fit_and_lose_no_letter(words: str):
    lines = broken(words, 120, 13)
    assert all(width_of(line, 13) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_a_line_ends_after_an_underscore_rather_than_in_a_word():
    assert broken("share_of_evening_listening", 110, 13) == ["share_of_", "evening_", "listening"]


def test_no_words_are_one_empty_line_and_a_letter_wider_than_the_line_stands_alone():
    assert broken("", 100, 13) == [""]
    assert broken("WW", 1, 13) == ["W", "W"]


def test_marks_and_controls_take_no_width_and_wide_letters_take_more():
    assert width_of("e\u0301\u202e", 10) == width_of("e", 10)
    assert width_of("長", 10) > width_of("e", 10)


def test_items_flow_into_the_next_row_when_a_row_is_full():
    assert list(flowed([40, 40, 90, 10], 100, 10)) == [(0, 0), (0, 50), (1, 0), (2, 0)]
