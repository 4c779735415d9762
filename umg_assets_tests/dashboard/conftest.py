"""Fixtures of the dashboard's tests: a lake with charts, its server, and a browser."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from umg_assets_tests.dashboard.made import Charts, MadeLake, Song
from umg_assets_tests.dashboard.serving import Server, served

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)
GENRES = ("Pop", "Rock", "Hip-Hop & R'n'B")


def songs(count: int, shift: int = 0, listeners: int = 40) -> list[Song]:
    """So many songs, t1 the most played; shifted, others are."""
    ranked = [(number + shift) % count for number in range(count)]
    return [
        Song(f"t{number + 1}", f"Song {number + 1}", 1_000 - 7 * place, listeners, f"Artist {number % 9}", genre)
        for place, number in enumerate(ranked)
        for genre in (GENRES[number % 3],)
    ]


CHARTS: Charts = {
    (month, market): songs(size, shift)
    for shift, month in enumerate((AUGUST, SEPTEMBER, OCTOBER))
    for market, size in (("AT", 50), ("DE", 50), ("SK", 12))
} | {(OCTOBER, "LI"): [Song("t1", "Song 1", 30, 12), Song("t2", "Song 2", 20, 9), Song("t3", "Song 3", 7, 3)]}
"""Three months of AT, DE and SK, and one of LI, whose third track had 3 listeners."""


@pytest.fixture(scope="session")
def charted(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """CHARTS, published. Only read it."""
    return MadeLake(tmp_path_factory.mktemp("charted") / "home").chart(CHARTS).publish()


@pytest.fixture(scope="session")
def server(charted: MadeLake) -> Iterator[Server]:
    """The dashboard over CHARTS."""
    with served(charted.settings) as server:
        server.watch.show_first()
        yield server


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    """An empty lake of this test alone."""
    return MadeLake(tmp_path / "home")
