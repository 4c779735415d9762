"""One set, always: what a page shows is of one published set, which changes as a whole and says what it lacks."""

import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import deltalake
import pyarrow.parquet as pq
import pytest

from umg_assets import tables
from umg_assets.dashboard import watch as watch_module
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.state import state_of
from umg_assets.dashboard.sums import FileSums
from umg_assets_tests.dashboard.made import MadeLake, Song
from umg_assets_tests.dashboard.serving import Answer, Server, served

pytestmark = pytest.mark.sail_enough

OCTOBER = date(2026, 10, 1)
CHART = "/charts/AT/2026-10"


def with_plays(lake: MadeLake, plays: int) -> MadeLake:
    """The lake, published with one song on each of two charts: so many plays on one, and as many on the other."""
    song = Song("t1", f"Song of {plays}", plays, 50)
    return lake.chart({(OCTOBER, market): [song] for market in ("AT", "DE")}).publish()


def published(lake: MadeLake) -> str:
    """The name of the set that is published."""
    return (lake.home / "exports" / "current").resolve().name.removeprefix("set-")


@pytest.fixture
def server(made: MadeLake) -> Iterator[Server]:
    """The dashboard over an empty lake, looking out for sets as `umg dashboard` does, but more often."""
    with pytest.MonkeyPatch.context() as patch, served(made.settings) as server:
        patch.setattr(watch_module, "LOOK_SECONDS", 0.05)
        server.watch.start()
        yield server
        server.watch.end()


def awaited(condition: Callable[[], object]) -> bool:
    """Whether a condition comes true within seconds."""
    deadline = time.monotonic() + 60
    while not (is_true := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_true


def shows(server: Server, words: str, path: str = CHART) -> bool:
    """Whether a page comes to hold words."""
    return awaited(lambda: words in server.ask(path).text)


def test_an_empty_lake_says_what_to_type_and_shows_pages_after_its_first_run(made: MadeLake, server: Server):
    for path in ("/", CHART, f"{CHART}?format=csv"):
        answer = server.ask(path)
        assert (answer.status, answer.headers.get("x-umg-set")) == (503, None)
        assert f"drop files into {made.home}/landing and type `umg run`" in answer.text
        assert "nosniff" in answer.headers.values()
    assert server.ask("/healthz").status == 200
    with_plays(made, 100)
    assert shows(server, "Song of 100")
    assert server.ask(CHART).headers["x-umg-set"].startswith(published(made))


def test_while_sets_are_switched_every_answer_is_of_the_set_that_it_names(made: MadeLake, server: Server):
    """Each set's figure of plays is another; a page has it from two tables, a chart and the sums of days."""
    of_set: dict[str, int] = {}
    answers: list[tuple[str, Answer]] = []
    is_over = threading.Event()

    def publish(plays: int) -> None:
        with_plays(made, plays)
        of_set[published(made)] = plays

    def read() -> None:
        while not is_over.wait(0.005):
            answers.extend((path, server.ask(path)) for path in paths)

    publish(1_000)
    assert shows(server, "Song of 1000")
    paths = (CHART, "/charts/DE/2026-10?with=AT", "/", f"{CHART}?format=json", f"{CHART}?format=parquet")
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for plays in range(1_001, 1_004):
            publish(plays)
            assert shows(server, f"Song of {plays}")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert len({answer.headers["x-umg-set"] for _, answer in answers}) == len(of_set)
    for path, answer in answers:
        assert answer.status == 200
        plays = of_set[answer.headers["x-umg-set"].rsplit("-", 1)[0]]
        if "parquet" in path:
            figures = set(pq.read_table(io.BytesIO(answer.body)).column("plays").to_pylist())
        else:
            figures = {int(text.replace(",", "")) for text in re.findall(r"\b1,?00\d\b", answer.text)}
        assert figures == {plays}, path


def test_a_file_that_is_taken_from_a_page_is_of_the_pages_set_even_when_another_is_shown_by_then(
    made: MadeLake, server: Server
):
    with_plays(made, 1_000)
    assert shows(server, "Song of 1000")
    page = server.ask(CHART)
    (target,) = {
        found.replace("&amp;", "&") for found in re.findall(r'href="([^"]+format=csv&amp;table=chart[^"]*)"', page.text)
    }
    with_plays(made, 2_000)
    assert shows(server, "Song of 2000")
    taken = server.ask(target)
    assert taken.headers["x-umg-set"] == page.headers["x-umg-set"]
    assert "Song of 1000" in taken.text
    assert "Song of 2000" in server.ask(f"{CHART}?format=csv").text
    with_plays(made, 3_000)
    assert shows(server, "Song of 3000")
    gone = server.ask(target)
    assert (gone.status, gone.headers.get("x-umg-set")) == (410, None)
    assert "load the page again" in gone.text


def break_manifest(lake: MadeLake) -> None:
    """Cuts the published manifest in half."""
    file = lake.home / "exports" / "current" / "manifest.json"
    text = file.read_text()
    file.write_text(text[: len(text) // 2])


def remove_set(lake: MadeLake) -> None:
    """Removes the folder of the published set."""
    shutil.rmtree((lake.home / "exports" / "current").resolve())


def vacuum(lake: MadeLake) -> None:
    """Removes the files of a table that the set needs."""
    for file in (lake.home / "tables" / "top_tracks_by_country").glob("**/*.parquet"):
        file.unlink()


def vacuum_artists(lake: MadeLake) -> None:
    """Removes the files of a table that no page needs that is rendered first."""
    for file in (lake.home / "tables" / "top_artists_by_genre").glob("**/*.parquet"):
        file.unlink()


def remove_versions(lake: MadeLake) -> None:
    """Removes the log of a table, as where it was built afresh."""
    for file in (lake.home / "tables" / "daily_track_plays" / "_delta_log").iterdir():
        file.unlink()


def write_nonsense(lake: MadeLake) -> None:
    """Names versions that no table has."""
    file = lake.home / "exports" / "current" / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "versions": dict.fromkeys(manifest["versions"], 999)}))


def forget_versions(lake: MadeLake) -> None:
    """Makes the manifest that of an umg that named no versions yet."""
    file = lake.home / "exports" / "current" / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({"complete_through": manifest["complete_through"]}))


HARM = [break_manifest, remove_set, vacuum, vacuum_artists, remove_versions, write_nonsense, forget_versions]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_a_set_that_is_not_whole_is_not_shown_and_a_clear_word_says_what_to_type(made: MadeLake, harm):
    with_plays(made, 1_000)
    harm(made)
    with served(made.settings) as server:
        server.watch.start()
        for path in ("/", CHART, f"{CHART}?format=csv"):
            answer = server.ask(path)
            assert answer.status == 503, path
            assert re.search(r"`umg run --range (2026-10-31:2026-10-31|DAY:DAY)`", answer.text)
            assert "Traceback" not in answer.text
        server.watch.end()


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_a_new_set_that_is_not_whole_leaves_the_old_one_shown(made: MadeLake, harm):
    with_plays(made, 1_000)
    with served(made.settings) as server:
        server.watch.look()
        before = server.ask(CHART)
        with_plays(made, 2_000)
        harm(made)
        server.watch._looked(server.watch.look)
        after = server.ask(CHART)
        assert (after.status, after.body) == (200, before.body)
        with_plays(made_again(made), 3_000)
        server.watch.look()
        assert "Song of 3000" in server.ask(CHART).text


def made_again(lake: MadeLake) -> MadeLake:
    """The lake without its tables and sets: what is written next is whole."""
    for folder in ("tables", "exports"):
        shutil.rmtree(lake.home / folder)
    return lake


def test_files_that_go_while_a_set_is_shown_are_named_and_pages_that_are_kept_stay(made: MadeLake):
    with_plays(made, 1_000)
    with served(made.settings) as server:
        server.watch.show_first()
        kept = server.ask(CHART)
        vacuum(made)
        assert server.ask(CHART).body == kept.body
        other = server.ask("/charts/DE/2026-10")
        assert other.status == 503
        assert "type `umg run --range" in other.text.replace("Type", "type")


def test_a_check_that_stops_exports_leaves_the_old_figures_with_the_day_since_when(made: MadeLake):
    with_plays(made, 1_000)
    with served(made.settings) as server:
        server.watch.show_first()
        made.write(tables.TOP_TRACKS_BY_COUNTRY, [])  # a run that a blocking check ended before exports
        assert not server.watch.look() or "Song of 1000" in server.ask(CHART).text
        assert "Song of 1000" in server.ask(CHART).text
        site = server.watch.site
        assert site is not None
        soon, later = (state_of(site.served, made.settings, _in(hours)) for hours in (0, 2))
        (finding,) = [one for one in later.findings if one.subject == "not published"]
        assert finding.level == "bad"
        assert f"Shown is the set of {site.served.published_at:%Y-%m-%d %H:%M} UTC" in finding.sentence
        assert re.search(r"newer since \d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC", finding.sentence)
        assert [one.level for one in soon.findings if one.subject == "not published"] == ["note"]


def test_a_dashboard_that_starts_while_tables_are_ahead_of_their_set_shows_the_set(made: MadeLake):
    with_plays(made, 1_000)
    newer = Song("t2", "Song that no set has", 2_000, 50)
    made.chart({(OCTOBER, "AT"): [newer]})  # a run that a blocking check ended before exports
    with served(made.settings) as server:
        server.watch.show_first()
        for page in (CHART, "/", "/search?q=song", "/tracks/t1", "/tracks/t2"):
            assert "Song that no set has" not in server.ask(page).text, page
        assert "Song of 1000" in server.ask(CHART).text


def _in(hours: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def test_a_day_in_several_files_is_summed_once_by_file_so_that_one_can_go(made: MadeLake):
    with_plays(made, 1_000)
    path = made.home / "tables" / tables.DAILY_TRACK_PLAYS.name
    deltalake.write_deltalake(path, deltalake.DeltaTable(path).to_pyarrow_table(), mode="append")
    made.publish()
    served_now = Served.newest(made.home, made.settings.dashboard)
    one, other = served_now.files(tables.DAILY_TRACK_PLAYS)
    sums = FileSums()
    for files, plays in (([one, other], 2_000), ([one], 1_000), ([other], 1_000), ([], 0)):
        rows = sums.daily(files, served_now.query)
        assert sum(row["plays"] for row in rows if row["country"] == "AT") == plays
    sums.daily([one], served_now.query)
    made_again(made)
    assert sums.daily([one], served_now.query), "what is known is not read again"
