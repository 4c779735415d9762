"""The key of user keys: made once, for its owner alone, and never made where users are already known."""

import hashlib
import hmac
import threading
from pathlib import Path

import pytest

from umg_assets.resources.identity import KeyFileError, UserKeys
from umg_assets.running import RunFailedError
from umg_assets_tests.lake import Lake

PLAY = ("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")


def test_a_user_key_is_hmac_sha256_of_the_user_id_under_the_key_in_the_file(tmp_path: Path):
    keys = UserKeys(tmp_path)
    keys.make()
    key = bytes.fromhex((tmp_path / "keys" / "user_key").read_text())
    assert len(key) == 32
    users = ["u1", "", "Übung 日本", "u1"]
    assert keys.of(users) == [hmac.new(key, user.encode(), hashlib.sha256).hexdigest() for user in users]


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    keys = UserKeys(tmp_path)
    keys.make()
    made = keys.path.read_text()
    keys.make()
    assert keys.path.read_text() == made
    assert (keys.path.stat().st_mode & 0o777, keys.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(keys.path.parent.iterdir()) == [keys.path]


def test_makers_at_once_agree_on_one_key_and_never_see_half_of_it(tmp_path: Path):
    found: list[list[str]] = []
    start = threading.Barrier(8)

    def make() -> None:
        keys = UserKeys(tmp_path)
        start.wait()
        keys.make()
        found.append(keys.of(["u1"]))

    makers = [threading.Thread(target=make) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(found) == 8
    assert len({tuple(keys) for keys in found}) == 1


@pytest.mark.parametrize("content", ["", "not a key", "abcd", "00" * 33])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: str):
    keys = UserKeys(tmp_path)
    keys.path.parent.mkdir()
    keys.path.write_text(content)
    keys.make()
    with pytest.raises(KeyFileError, match="expected"):
        keys.of(["u1"])
    assert keys.path.read_text() == content


@pytest.mark.sail_enough
def test_another_machine_without_the_key_is_refused_and_makes_none(lake: Lake):
    lake.drop_plays("2026-03-02", [PLAY])
    lake.run()
    key = lake.home / "keys" / "user_key"
    given = key.read_text()
    key.unlink()
    lake.drop_plays("2026-03-03", [("p2", *PLAY[1:])])
    with pytest.raises(RunFailedError, match=r"user_key is missing.*copy the key file from where it was made"):
        lake.run()
    assert not key.exists()
    key.write_text(given)
    lake.run()
    assert {user for (user,) in lake.values("plays", "user_key")} == {
        hmac.new(bytes.fromhex(given), b"u1", hashlib.sha256).hexdigest()
    }
    assert lake.values("plays", "play_id") == [("p1",), ("p2",)]
