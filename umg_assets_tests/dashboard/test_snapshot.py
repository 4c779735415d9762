"""A snapshot: the whole site as files, with links that all lead somewhere, the same bytes each time."""

import hashlib
import json
import posixpath
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from umg_assets.dashboard import page_writers
from umg_assets.dashboard.file_names import FileLinks, file_of, safe
from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.site import Site
from umg_assets.dashboard.snapshot import MARK, NotASnapshotError, Written, write_snapshot
from umg_assets.dashboard.state import state_of
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import printed_by, run_python

pytestmark = pytest.mark.sail_enough
NOW = datetime(2026, 3, 20, 6, tzinfo=UTC)
TRACKS = ("t1", "T1", "../up", "con", "a/b?c=d&e#f", "名前", "x" * 300, 'say "hi" & <b>')
"""Ids of tracks: two that differ by case alone, ways out of the folder, a device's name, long and odd ones."""


@pytest.fixture(scope="module")
def published(new_lake: NewLake) -> Lake:
    """Two months of charts of two markets, of tracks with odd ids. Only read it."""
    lake = new_lake("snapshot", text="[dashboard]\nminimum_listeners = 1\n")
    lake.drop_users("2026-02-01", [("u1", "AT", "25-34"), ("u2", "DE", "18-24")])
    lake.drop_tracks("2026-02-01", [(track, f"Title {track}", "a1", "Ann", "Pop", 200_000) for track in TRACKS])
    for day in ("2026-02-10", "2026-03-10", "2026-03-11"):
        plays = [
            (f"{day}-{user}-{number}", user, f"s{user}", track, f"{day}T10:{number:02}:00Z", 90_000, country)
            for user, country in (("u1", "AT"), ("u2", "DE"))
            for number, track in enumerate(TRACKS)
        ]
        lake.drop_plays(day, plays)
    lake.run()
    return lake


def site(lake: Lake) -> Site:
    served = Served.newest(lake.home, lake.settings.dashboard)
    return Site(served, state_of(served, lake.settings, NOW), ROUTES, Renderer(lake.settings.dashboard))


@pytest.fixture(scope="module")
def folder(published: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of that lake. Only read it."""
    target = tmp_path_factory.mktemp("snapshot") / "site"
    write_snapshot(site(published), target)
    return target


def hashes(folder: Path) -> dict[str, str]:
    """By name, the hash of each file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def links_in(file: Path) -> Iterator[str]:
    """What a page links to or loads, without fragments of its own."""
    for link in re.findall(r'\b(?:href|src|action)="([^"]*)"', file.read_text(encoding="utf-8")):
        target = link.split("#")[0]
        if target:
            yield target


def test_every_link_of_every_page_is_relative_and_leads_to_a_file_and_every_file_is_led_to(folder: Path):
    names = set(hashes(folder))
    reached = {"index.html", MARK, "static/readout.css"}  # of experiments, of which this lake has none
    for page in folder.rglob("*.html"):
        here = posixpath.dirname(page.relative_to(folder).as_posix())
        for link in links_in(page):
            assert not re.match(r"[a-z]+:|/", link), f"{page}: {link}"
            reached.add(posixpath.normpath(posixpath.join(here, unquote(link))))
    assert reached == names


def test_it_holds_the_charts_of_every_month_market_and_criterion_and_no_page_that_needs_a_server(folder: Path):
    names = set(hashes(folder))
    for market in ("at", "de"):
        for month in ("2026-02", "2026-03"):
            for by in ("", ".by-streams", ".by-listening_time", ".by-listeners"):
                assert f"charts/{market}/{month}{by}.html" in names
                assert {f"charts/{market}/{month}{by}.chart.{form}" for form in ("csv", "json", "parquet")} <= names
    assert {"index.html", "charts.html", "experiments.html", "health.html", "about.html"} <= names
    assert not [name for name in names if "search" in name or ".with-" in name or "from-" in name]
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "<form" not in text
    assert 'href="charts/at/2026-03.html"' in text
    assert 'href="../../static/style.css"' in (folder / "charts/at/2026-03.html").read_text(encoding="utf-8")


def test_a_page_says_what_the_server_says_and_its_downloads_are_the_servers(published: Lake, folder: Path):
    server = site(published)
    for address, name in (("/charts/AT/2026-03?by=streams", "charts/at/2026-03.by-streams"), ("/health", "health")):
        served = re.sub(r"<[^>]+>", " ", server.answer(address).body.decode())
        written = re.sub(r"<[^>]+>", " ", (folder / f"{name}.html").read_text(encoding="utf-8"))
        assert set(written.split()) <= set(served.split())
        assert "Title" in written or "vanishes" in written
    rows = server.answer("/charts/AT/2026-03?by=streams&format=json&table=chart").body
    assert (folder / "charts/at/2026-03.by-streams.chart.json").read_bytes() == rows


def test_names_are_safe_on_every_file_system_and_no_two_are_the_same(folder: Path):
    names = [file_of(f"/tracks/{track}") for track in map(_quoted, TRACKS)]
    assert names[0] == "tracks/t1.html"
    assert len({name.lower() for name in names}) == len(TRACKS)
    for name in (*names, *hashes(folder)):
        assert re.fullmatch(r"([a-z0-9_-]+/)*[a-z0-9_-]+(\.[a-z0-9_-]+)*", name), name
        assert all(len(part) < 120 for part in name.split("/"))
        assert not re.match(r"(con|prn|aux|nul)\.", posixpath.basename(name))
    assert safe("Pop") != "pop"
    assert file_of("/artists/Pop?market=AT") == f"artists/{safe('Pop')}.market-at.html"


def _quoted(track: str) -> str:
    from urllib.parse import quote

    return quote(track, safe="")


def test_the_same_set_and_state_give_the_same_bytes_in_every_process(published: Lake, tmp_path: Path):
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from umg_assets.settings.model import read_settings
from umg_assets_tests.dashboard.test_snapshot import NOW, ROUTES, Renderer, Served, Site, state_of, write_snapshot
home, target = map(Path, sys.argv[1:])
settings = read_settings(home)
served = Served.newest(home, settings.dashboard)
write_snapshot(Site(served, state_of(served, settings, NOW), ROUTES, Renderer(settings.dashboard)), target)
"""
    for seed in ("1", "2"):
        for name in ("site", "site.zip"):
            (tmp_path / seed).mkdir(exist_ok=True)
            printed_by(code, published.home, tmp_path / seed / name, env={"PYTHONHASHSEED": seed})
    assert hashes(tmp_path / "1" / "site") == hashes(tmp_path / "2" / "site")
    assert (tmp_path / "1" / "site.zip").read_bytes() == (tmp_path / "2" / "site.zip").read_bytes()


def test_many_pages_are_written_by_several_processes_and_are_the_same(
    published: Lake, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(page_writers, "FEW", 2)
    written = write_snapshot(site(published), tmp_path / "site")
    assert hashes(tmp_path / "site") == hashes(folder)
    assert written.files == len(hashes(folder))
    assert written.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_zip_holds_the_same_files_in_one_folder(published: Lake, folder: Path, tmp_path: Path):
    written = write_snapshot(site(published), tmp_path / "report.zip")
    assert written.size == (tmp_path / "report.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    assert hashes(tmp_path / "unpacked" / "report") == hashes(folder)
    write_snapshot(site(published), tmp_path / "report.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.zip", "unpacked"], "nothing is left over"


def test_only_a_snapshot_is_replaced_and_what_fails_leaves_the_old_one(
    published: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "sea.jpg").write_bytes(b"sea")
    with pytest.raises(NotASnapshotError, match=r"photos is not replaced: expected nothing there, or an empty folder"):
        write_snapshot(site(published), photos)
    (tmp_path / "data.zip").write_bytes(b"not mine")
    with pytest.raises(NotASnapshotError, match="a zip file of an earlier snapshot"):
        write_snapshot(site(published), tmp_path / "data.zip")
    assert (photos / "sea.jpg").read_bytes() == b"sea"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zip", "photos"]
    target = tmp_path / "site"
    assert isinstance(write_snapshot(site(published), target), Written)
    (target / "stray.html").write_text("of an older set")
    broken = site(published)
    monkeypatch.setattr(broken, "html", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_snapshot(broken, target)
    assert (target / "stray.html").exists()
    write_snapshot(site(published), target)
    assert not (target / "stray.html").exists()
    assert json.loads((target / MARK).read_text())["set"] == site(published).served.id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zip", "photos", "site"]


def test_a_link_to_a_page_that_turns_out_not_to_be_there_is_no_link(folder: Path):
    links = FileLinks("charts/at/2026-03.html", ROUTES, missing={"/charts/AT/2026-02"})
    assert links.to("/charts/AT/2026-02") is None
    assert links.to("/search?q=x") is None
    assert links.to("/charts/AT/2026-03?with=DE") is None
    assert links.to("/tracks/t1?by=streams") is None, "a page a track"
    assert links.to("/charts/DE/2026-03") == "../de/2026-03.html"
    assert links.to("/") == "../../index.html"
    assert links.to("/charts/AT/2026-03?format=csv&table=chart") == "2026-03.chart.csv"
    assert list(links.asked) == ["/charts/DE/2026-03", "/"]


def test_a_browser_opens_it_from_a_disk_follows_its_links_and_asks_nobody_else(folder: Path, browser: Browser):
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.on("requestfailed", lambda request: said.append(f"not there: {request.url}"))
    page.goto((folder / "index.html").as_uri())
    assert "Markets" in page.inner_text("h1")
    page.click("main .card a >> nth=0")
    assert "Top tracks" in page.inner_text("h1")
    assert page.evaluate("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    page.click("text=streams >> nth=0")
    assert page.url.endswith("/charts/at/2026-03.by-streams.html")
    for words, heading in (("Health", "State of the data"), ("Experiments", "Experiments"), ("About", "mean")):
        page.click(f"header nav >> text={words}")
        assert heading in page.inner_text("h1")
    page.click("header .brand a")
    assert page.url.endswith("/index.html")
    page.close()
    assert said == []


def test_umg_dashboard_snapshot_says_what_it_wrote_and_before_the_first_set_what_to_type(
    published: Lake, tmp_path: Path
):
    code = "import sys; from umg_assets.cli.main import main; sys.argv = ['umg', *sys.argv[1:]]; main()"
    target = tmp_path / "site"
    refused = run_python(code, "--home", Lake(tmp_path / "empty").home, "dashboard", "--snapshot", target)
    assert refused.returncode == 1
    assert "No charts are published yet: drop files into" in refused.stderr
    assert not target.exists()
    printed = printed_by(code, "--home", published.home, "dashboard", "--snapshot", target)
    pages = len(list(target.rglob("*.html")))
    assert re.fullmatch(
        rf"Wrote {pages} pages, {len(hashes(target))} files, [\d.]+ MB, in [\d.]+ s: {target}/index\.html",
        printed.strip().splitlines()[-1],
    )
    assert "So it was at" in (target / "health.html").read_text(encoding="utf-8")
