"""Experiments in the dashboard: the verdict of each in a list, and the page of a readout as it was written."""

import json
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.site import Rendered, Site
from umg_assets.dashboard.state import state_of
from umg_assets.dashboard.static_files import static_files
from umg_assets.experiments.page import STYLE, View
from umg_assets.experiments.readouts import Readouts
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.experiments.readouts import HOSTILE, hostile_view, views
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import printed_by

pytestmark = pytest.mark.sail_enough
NOW = datetime(2026, 3, 20, 6, tzinfo=UTC)
DEFINED = """
[experiments.{name}]
hypothesis = "b listens longer, for its tracks fit"
owner = "home"
salt = "{name}_1"
variants = {{ control = 1, b = 1 }}
first_day = {first_day}
"""


@pytest.fixture(scope="module")
def published(new_lake: NewLake) -> Lake:
    """A lake with a set and without experiments. Only read it."""
    lake = new_lake("experiments")
    lake.drop_users("2026-03-01", [("u1", "AT", "25-34")])
    lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    lake.run()
    return lake


@pytest.fixture(scope="module")
def seen() -> dict[str, View]:
    """Views of every kind of verdict."""
    return views()


@pytest.fixture
def lake(published: Lake, tmp_path: Path) -> Lake:
    """A copy of that lake, to be changed: its published set, and the tables' logs and files."""
    home = tmp_path / "home"
    shutil.copytree(published.home, home, symlinks=True, ignore=lambda *_: {"dagster", "staging", "landing"})
    return Lake.opened(home)


def define(lake: Lake, **first_days: date) -> None:
    lake.configure("".join(DEFINED.format(name=name, first_day=day) for name, day in first_days.items()))


def write(lake: Lake, name: str, view: View) -> None:
    Readouts(lake.home).write(name, {"page.json": json.dumps({**view, "name": name})})


def site(lake: Lake) -> Site:
    served = Served.newest(lake.home, lake.settings.dashboard)
    return Site(served, state_of(served, lake.settings, NOW), ROUTES, Renderer(lake.settings.dashboard))


def answer(lake: Lake, address: str) -> Rendered:
    return site(lake).answer(address)


def test_without_experiments_the_list_says_so_and_how_to_define_one(lake: Lake):
    text = answer(lake, "/experiments").body.decode()
    assert "There is no experiment." in text
    assert "<code>[experiments.NAME]</code>" in text


def test_the_list_has_the_verdict_and_why_trust_and_the_primary_metric_with_its_interval_of_each(
    lake: Lake, seen: dict[str, View]
):
    define(lake, fits=date(2026, 3, 2), uneven=date(2026, 3, 2))
    write(lake, "fits", seen["ship"])
    write(lake, "uneven", seen["on hold"])
    text = answer(lake, "/experiments").body.decode()
    for name, kind in (("fits", "ship"), ("uneven", "on hold")):
        head = seen[kind]["headline"]
        assert f'href="/experiments/{name}"' in text
        assert f"verdict-{head['kind']}" in text
        for words in (head["verdict"], head["trust"], *head["primary"]):
            assert words.replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;") in text
    [fits, uneven] = json.loads(answer(lake, "/experiments?format=json&table=experiments").body)
    assert fits["verdict"] == seen["ship"]["headline"]["verdict"]
    assert fits["primary"] == "; ".join(seen["ship"]["headline"]["primary"])
    assert uneven["trust"] == seen["on hold"]["headline"]["trust"]


@pytest.mark.parametrize("kind", ["ship", "do not ship", "keep running", "on hold", "no exposure", "three variants"])
def test_a_readouts_page_stands_in_the_frame_with_its_style_sheet_and_its_tables_can_be_taken_along(
    lake: Lake, seen: dict[str, View], kind: str
):
    define(lake, picks=date(2026, 3, 2))
    write(lake, "picks", seen[kind])
    text = answer(lake, "/experiments/picks").body.decode()
    assert '<link rel="stylesheet" href="/static/readout.css">' in text
    assert '<article class="readout">' in text
    assert '<a href="/charts"' in text
    assert text.count("<h1") == 1
    assert not re.search(r"<style|\sstyle=|<script", text)
    for name, table in seen[kind]["tables"].items():
        rows = json.loads(answer(lake, f"/experiments/picks?format=json&table={name}").body)
        assert [list(row.values()) for row in rows] == table["rows"]
        assert answer(lake, f"/experiments/picks?format=parquet&table={name}").body[:4] == b"PAR1"


def test_the_style_sheet_of_a_readout_is_a_file_beside_the_others():
    files = static_files()
    assert files["readout.css"].decode() == STYLE
    assert {"style.css", "icon.svg"} < files.keys()


def test_an_experiment_without_a_readout_says_what_is_missing(lake: Lake):
    define(lake, later=date(2026, 5, 1), now=date(2026, 3, 2))
    later = answer(lake, "/experiments/later").body.decode()
    assert "It begins on" in later
    assert "there is nothing to read before its first day is over" in later
    now = re.sub(r"<[^>]+>", "", answer(lake, "/experiments/now").body.decode())
    assert "It was to begin on 2026-03-02; since when it runs is not known: no readout has been written." in now
    assert "Drop its events into landing/ and type umg run" in now
    listed = answer(lake, "/experiments").body.decode()
    assert "since when it runs is not known" in listed
    unknown = answer(lake, "/experiments/none")
    assert unknown.status == 404
    assert "There is: later, now." in unknown.body.decode()


def test_an_experiment_that_has_left_umg_toml_keeps_its_last_readout_and_one_half_written_is_none(
    lake: Lake, seen: dict[str, View]
):
    write(lake, "gone", seen["ship"])
    text = answer(lake, "/experiments/gone").body.decode()
    assert "gone is not in umg.toml any more: this is its last readout." in text
    (lake.home / "exports" / "experiments" / "gone" / "page.json").write_text("{")
    assert answer(lake, "/experiments/gone").status == 404
    assert "There is no experiment" in answer(lake, "/experiments").body.decode()


def test_what_somebody_wrote_to_break_a_page_is_shown_as_text(lake: Lake):
    define(lake, odd=date(2026, 3, 2))
    write(lake, "odd", hostile_view())
    for address in ("/experiments", "/experiments/odd"):
        text = answer(lake, address).body.decode()
        assert "<script" not in text
        assert "onerror=" not in re.sub(r"&[#\w]+;", "", text) or "<img" not in text
        assert HOSTILE[4] in text
    table = next(iter(hostile_view()["tables"]))
    for cell in re.split(r"[,\r\n]+", answer(lake, f"/experiments/odd?format=csv&table={table}").body.decode()):
        assert not cell.startswith(("=", "@"))


def test_a_figure_with_a_sign_stays_a_figure_in_csv_and_an_interval_is_no_formula(lake: Lake, seen: dict[str, View]):
    define(lake, picks=date(2026, 3, 2))
    write(lake, "picks", seen["ship"])
    [_, first, *_] = answer(lake, "/experiments/picks?format=csv&table=primary").body.decode().splitlines()
    cells = first.split(",")
    assert any(re.fullmatch(r"[+-][\d.]+%", cell) for cell in cells)
    assert any(re.fullmatch(r"'\+.* to .*", cell) for cell in cells)


def test_no_page_view_takes_a_look(lake: Lake, seen: dict[str, View], monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a page view took a look")

    for method in ("take", "publish", "_take"):
        monkeypatch.setattr(Readouts, method, refuse)
    define(lake, picks=date(2026, 3, 2), now=date(2026, 3, 3))
    write(lake, "picks", seen["ship"])
    before = {path: path.stat().st_mtime_ns for path in lake.home.rglob("*")}
    for address in ("/experiments", "/experiments/picks", "/experiments/now", "/experiments/picks?format=json"):
        assert answer(lake, address).status == 200
    assert {path: path.stat().st_mtime_ns for path in lake.home.rglob("*")} == before, "nothing is written"


def test_the_dashboard_answers_without_dagster_an_engine_or_what_computes_a_readout(lake: Lake, seen: dict[str, View]):
    define(lake, picks=date(2026, 3, 2))
    write(lake, "picks", seen["ship"])
    code = """
import sys, threading, urllib.request
from pathlib import Path
import uvicorn
from umg_assets.cli import main
from umg_assets.cli.access import Access
from umg_assets.cli.dashboard import serve

ADDRESSES = ("/", "/charts", "/experiments/picks", "/health", "/health?format=parquet", "/static/readout.css")
serving = uvicorn.Server.run

def ask(server, port):
    try:
        for address in ADDRESSES:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{address}", timeout=60) as answer:
                print(address, answer.status, answer.headers["content-type"].split(";")[0])
    finally:
        server.should_exit = True

def run(server, sockets):
    threading.Thread(target=ask, args=(server, sockets[0].getsockname()[1])).start()
    serving(server, sockets)

uvicorn.Server.run = run
serve(Path(sys.argv[1]), Access(), 0, "")
heavy = {"dagster", "pyspark", "pysail", "pandas", "scipy", "matplotlib"}
print("heavy:", *sorted((heavy | {"umg_assets.experiments.readouts", "umg_assets.runner"}) & set(sys.modules)))
"""
    lines = [line.strip() for line in printed_by(code, lake.home).splitlines()]
    assert lines[-1] == "heavy:"
    kinds = ["text/html"] * 4 + ["application/vnd.apache.parquet", "text/css"]
    assert [line.split()[1:] for line in lines[-7:-1]] == [["200", kind] for kind in kinds]
