"""What lies in landing/ and is no file that can land is named and never opened; odd names go the lake's whole way."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.landing.scan import Scan, scan
from umg_assets.planning.history import History
from umg_assets.text import visible
from umg_assets_tests.bad_files import listen_at
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, Lake

TREE = SOURCES.replace('"plays/*.csv*"', '"plays/**/*.csv"')
FOLLOWING = TREE.replace('"plays/**/*.csv"', '"plays/**/*.csv"\nfollow_links = true')


@pytest.fixture
def home(tmp_path: Path) -> Lake:
    """A home whose landing/ is scanned; nothing runs."""
    home = Lake(tmp_path / "home")
    home.configure(sources=TREE)
    (home.home / "landing/plays").mkdir()
    return home


@pytest.fixture
def plays(home: Lake) -> Path:
    """The folder of the source of plays."""
    return home.home / "landing/plays"


def scanned(home: Lake) -> Scan:
    """A scan before anything has landed."""
    return scan(home.settings, History(()))


def taken(home: Lake) -> list[str]:
    """The paths of the files that would land."""
    return sorted(file.path for file in scanned(home).changed)


def waiting(home: Lake) -> dict[str, str]:
    """By path, why what cannot land cannot; it is all stuck."""
    found = scanned(home)
    assert found.stuck == set(found.waiting)
    return found.waiting


MADE = {
    "named pipe": os.mkfifo,
    "socket": listen_at,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "back to where it lies": lambda path: path.symlink_to(path.name),
    "called like a file": Path.mkdir,
    "leads out of": lambda path: path.symlink_to("/etc/hosts"),
}
"""By words of the reason, what makes something that is no file."""


@pytest.mark.parametrize("words", MADE)
@pytest.mark.parametrize("name", ["plays/2026-03-02.csv", "plays/below/2026-03-02.csv", "elsewhere/2026-03-02.csv"])
def test_what_is_no_file_is_named_with_the_reason_and_does_not_land(home: Lake, words: str, name: str):
    path = home.home / "landing" / name
    path.parent.mkdir(exist_ok=True)
    MADE[words](path)
    assert taken(home) == []
    [(named, why)] = waiting(home).items()
    assert named == name
    assert words in why


def test_a_device_is_named(home: Lake, plays: Path):
    try:
        os.mknod(plays / "2026-03-02.csv", stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert waiting(home) == {"plays/2026-03-02.csv": "is a device, not a file"}


def test_a_folder_that_cannot_be_read_is_named(home: Lake, plays: Path):
    (plays / "closed").mkdir(mode=0)
    if os.access(plays / "closed", os.R_OK):
        pytest.skip("root reads what it likes")
    assert waiting(home) == {"plays/closed": "cannot be read: Permission denied"}


def test_folders_and_files_that_link_out_of_landing_are_not_followed_unless_the_source_says_so(home: Lake, plays: Path):
    secret = home.home / "keys" / "2026-03-02.csv"
    secret.parent.mkdir()
    secret.write_text("the key")
    (plays / "keys").symlink_to(secret.parent)
    (plays / "2026-03-03.csv").symlink_to(secret)
    assert taken(home) == []
    assert sorted(waiting(home)) == ["plays/2026-03-03.csv", "plays/keys"]
    assert all("set follow_links = true in its source" in why for why in waiting(home).values())
    home.configure(sources=FOLLOWING)
    assert taken(home) == ["plays/2026-03-03.csv", "plays/keys/2026-03-02.csv"]
    assert waiting(home) == {}


@pytest.mark.parametrize("pattern", ["plays/*.csv", "*/*.csv", "**/*.csv"])
def test_a_folder_that_a_glob_names_may_not_link_out_of_landing_either(home: Lake, plays: Path, pattern: str):
    elsewhere = home.home / "elsewhere"
    plays.rename(elsewhere)
    (elsewhere / "2026-03-02.csv").write_text("a")
    plays.symlink_to(elsewhere)
    home.configure(sources=TREE.replace("plays/**/*.csv", pattern))
    assert taken(home) == []
    assert list(waiting(home)) == ["plays"]
    home.configure(sources=FOLLOWING.replace("plays/**/*.csv", pattern))
    assert taken(home) == ["plays/2026-03-02.csv"]
    assert waiting(home) == {}


def test_links_within_landing_work_and_a_double_star_finds_each_file_where_it_lies(home: Lake, plays: Path):
    (plays / "2026").mkdir()
    (plays / "2026/2026-03-02.csv").write_text("a")
    (plays / "current").symlink_to("2026")
    (plays / "2026-03-03.csv").symlink_to("2026/2026-03-02.csv")
    assert taken(home) == ["plays/2026-03-03.csv", "plays/2026/2026-03-02.csv"]
    home.configure(sources=TREE.replace("plays/**/*.csv", "plays/current/*.csv"))
    assert taken(home) == ["plays/current/2026-03-02.csv"]
    assert waiting(home) == {}


@pytest.mark.parametrize("sources", [TREE, FOLLOWING])
def test_folders_that_link_to_each_other_and_back_end_a_scan(home: Lake, plays: Path, sources: str):
    home.configure(sources=sources)
    for name in "abc":
        (plays / name).mkdir()
        (plays / name / "2026-03-02.csv").write_text(name)
        (plays / name / "up").symlink_to("..")
        for other in "abc":
            (plays / name / f"to_{other}").symlink_to(f"../{other}")
    assert {"plays/a/2026-03-02.csv", "plays/b/2026-03-02.csv", "plays/c/2026-03-02.csv"} <= set(taken(home))
    assert waiting(home)["plays/a/up"] == "is a link that leads back to where it lies"


def test_folders_nested_as_deep_as_a_path_may_be_end_a_scan(home: Lake, plays: Path):
    deep = plays
    for _ in range(600):
        deep = deep / "d"
        deep.mkdir()
    (deep / "2026-03-02.csv").write_text("a")
    assert len(taken(home)) == 1


def test_a_folder_called_like_a_file_may_hold_the_files(home: Lake, plays: Path):
    (plays / "2026-03-02.csv").mkdir()
    (plays / "2026-03-02.csv/part-0.csv").write_text("a")
    assert taken(home) == ["plays/2026-03-02.csv/part-0.csv"]
    assert waiting(home) == {}


ODD = [
    *("\n", "\r", "\t", "\x1b[31m", "\x1c", "\x85", "\u2028", "\u2029", "\u202e"),
    *("%41", "[1]", "*", "'", '"', "`$(x)", "\\n"),
]
"""What stands in names of files."""


@pytest.fixture(scope="module")
def odd_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake whose files have odd names, good and refused ones, beside a pipe, a link out and a link to nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("odd") / "home", on_disk=True)
        users = [("user-of-many-names", "AT", "25-34", ""), ("another-user", "AT", "25-34", "")]
        lake.drop_users("2026-03-02", users)
        for number, odd in enumerate(ODD):
            play = (f"p{number}", "user-of-many-names", "s1", "t1", f"2026-03-02T10:{number:02}:00Z", 1000, "AT")
            other = (f"q{number}", "another-user", "s2", "t1", "2026-03-02T11:00:00Z", "long", "AT")
            lake.drop_plays(f"2026-03-02-{odd}-{number}", [play, other])
            lake.drop(f"plays/2026-03-02-{odd}-refused.csv", "<html>")
        os.mkfifo(lake.home / "landing/plays/2026-03-02\u2028pipe\n.csv")
        (lake.home / "landing/plays/2026-03-02-\u202elink.csv").symlink_to("/etc/hosts")
        yield lake


def umg(lake: Lake, *words: str, stdin: str | None = None) -> str:
    """What a command prints; every line of it can be seen as it is."""
    done = subprocess.run(
        [sys.executable, "-m", "umg_assets", *words],
        env={**os.environ, "UMG_HOME": str(lake.home)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed, printed
    assert all(line == visible(line) for line in printed.split("\n")), printed
    return printed


@pytest.mark.exhaustive
def test_odd_names_go_from_landing_through_the_ledger_to_a_forgotten_person(odd_names: Lake):
    printed = umg(odd_names, "run")
    assert "waits: plays/2026-03-02\\u2028pipe\\n.csv: is a named pipe, not a file" in printed
    assert "waits: plays/2026-03-02-\\u202elink.csv: is a link that leads out of" in printed
    assert len(odd_names.rows("raw_plays")) == len(ODD)
    assert len(odd_names.rows("quarantine")) == 2 * len(ODD)
    history = odd_names.history().entries
    landed = {entry.path for entry in history if entry.state == "landed" and entry.source == "plays"}
    assert landed == {
        f"plays/2026-03-02-{odd}-{end}.csv" for number, odd in enumerate(ODD) for end in (number, "refused")
    }
    assert "0 differ" in umg(odd_names, "reconcile")
    assert reconcile(odd_names.settings)
    assert "plays/2026-03-02\\u2028pipe\\n.csv is a named pipe" in umg(odd_names, "doctor")
    umg(odd_names, "quarantine")
    forgotten = umg(odd_names, "forget", "-", "--now", stdin="user-of-many-names\n")
    assert "Forgotten: 1 person" in forgotten, forgotten
    assert odd_names.rows("raw_plays") == []
    assert reconcile(odd_names.settings)
    header = ",".join(PLAY_COLUMNS)
    for number, odd in enumerate(ODD):
        text = (odd_names.home / f"landing/plays/2026-03-02-{odd}-{number}.csv").read_text()
        assert text.startswith(header)
        assert "user-of-many-names" not in text
