"""Ids in a text: whole words alone, so that nobody else's records go."""

import pytest

from umg_assets.privacy.names import Names, is_part_of_other

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


def test_part_of_an_id_of_others_is_known_also_within_a_longer_word():
    others = {b"mary-ann", b"ann@x.org"}

    def part(text: bytes) -> bool:
        at = text.index(b"ann")
        return is_part_of_other(text, at, at + 3, others)

    assert [part(text) for text in (b"mary-ann", b"s-mary-ann-1", b"to ann@x.org.")] == [True] * 3
    assert [part(text) for text in (b"ann", b"rosemary-ann", b"s-ann-1", b"mary ann")] == [False] * 4
