"""Ids in a text: whole words alone, so that nobody else's records go."""

import pytest

from umg_assets.privacy.names import Names, holding, is_distinct, is_part_of_other

NAMED = ["ann", '"ann"', "x,ann,y", "ann.", "(ann)", "user=ann;", "id:ann", "/ann/", "ann\tx", "-ann"]
NOT_NAMED = ["anna", "s-ann", "ann-2", "ann@x.org", "mary.ann", "_ann", "ännann", "annä", ""]


@pytest.mark.parametrize("text", NAMED)
def test_an_id_that_stands_alone_is_named(text: str):
    assert Names(["bob", "ann"])(text.encode())


@pytest.mark.parametrize("text", NOT_NAMED)
def test_an_id_within_a_longer_word_or_joined_to_one_is_not_named(text: str):
    assert not Names(["bob", "ann"])(text.encode())


def test_ids_of_joined_words_and_those_that_json_escapes_are_named():
    names = Names(["mary-ann@x.org", "日本", 'a"b'])
    assert names(b'{"user":"mary-ann@x.org"}')
    assert names('{"user":"日本"}'.encode())
    assert names(b'{"user":"\\u65e5\\u672c"}')
    assert names(b'{"user":"a\\"b"}')
    assert not names(b"x-mary-ann@x.org")
    assert not Names([])(b"ann")


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        ("a/b", rb'{"user":"a\/b"}'),
        ("\u017co\u00eb", rb'{"user":"\u017Co\u00EB"}'),
        ('o"neil', b'1,"o""neil",2'),
        ("ann@x.org", b"/app?user=ann%40x.org&page=2"),
        ("a&b", b"<user>a&amp;b</user>"),
        ("a\\b", rb'{"user":"a\\b"}'),
    ],
)
def test_an_id_is_named_however_it_is_escaped(user_id: str, text: bytes):
    assert Names([user_id])(text)


def test_short_words_and_numbers_and_dates_may_be_other_values():
    assert not any(map(is_distinct, ["757", "AT", "rock", "20260302", "19991231"]))
    assert all(map(is_distinct, ["ann-1", "a1", "20261399", "4711000042", "electronica", "2026-03-02x"]))


def test_of_all_others_only_ids_that_hold_one_are_kept():
    assert holding(["ann@x.org", "b"], ["mary-ann@x.org", "ann@x.org", "ann", "B", "abc"]) == {"mary-ann@x.org", "abc"}


def test_part_of_an_id_of_others_is_known_also_within_a_longer_word():
    others = {b"mary-ann", b"ann@x.org"}

    def part(text: bytes) -> bool:
        at = text.index(b"ann")
        return is_part_of_other(text, at, at + 3, others)

    assert [part(text) for text in (b"mary-ann", b"s-mary-ann-1", b"to ann@x.org.")] == [True] * 3
    assert [part(text) for text in (b"ann", b"rosemary-ann", b"s-ann-1", b"mary ann")] == [False] * 4
