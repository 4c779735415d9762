"""A server of buckets, a prefix for each test, and what exporters do with it."""

import itertools
from collections.abc import Iterator

import obstore
import pytest
from obstore.store import from_url

from umg_assets_tests.bucket_server import BucketServer, bucket_server

_numbers = itertools.count()
PLAYS = "play_id,user_id,session_id,track_id,started_at,played_ms,country\n"


@pytest.fixture(scope="session")
def only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """One for all tests: this process's engine knows its address from when it started."""
    with bucket_server(tmp_path_factory.mktemp("buckets")) as server:
        server.make_bucket("tests")
        yield server


@pytest.fixture(scope="module")
def server(only_server: BucketServer) -> Iterator[BucketServer]:
    """The server, and the environment in which it is reached."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in only_server.environment().items():
            patch.setenv(name, value)
        yield only_server


@pytest.fixture
def bucket(server: BucketServer) -> "Bucket":
    """A prefix of this test alone: the server keeps a hundred megabytes for each bucket."""
    return Bucket(f"s3://tests/{next(_numbers)}")


class Bucket:
    """A bucket, and what exporters do with it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._store = from_url(address, client_options={"allow_http": True})

    def put(self, key: str, content: str | bytes) -> None:
        obstore.put(self._store, key, content.encode() if isinstance(content, str) else content)

    def put_plays(self, day: str, *plays: tuple[str, str, str]) -> None:
        """A file of plays of a day of March: id, user and clock time of each."""
        rows = [f"{play},{user},s-{user},t1,2026-03-{day}T{at}:00Z,190000,AT\n" for play, user, at in plays]
        self.put(f"exports/plays/2026-03-{day}.csv", PLAYS + "".join(rows))

    def delete(self, key: str) -> None:
        obstore.delete(self._store, key)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self._store, key).bytes())

    @property
    def keys(self) -> list[str]:
        return sorted(meta["path"] for page in obstore.list(self._store) for meta in page)
