"""The dashboard's server as others meet it: methods, host names, a proxy's prefix and user, headers, errors."""

import gzip
import logging
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from umg_assets.cli.access import Access, AccessError
from umg_assets.cli.dashboard import OptionError, serve
from umg_assets.dashboard import site as site_module
from umg_assets.dashboard.pages import about
from umg_assets_tests.daemon import awaited, free_port
from umg_assets_tests.dashboard.crawling import sections
from umg_assets_tests.dashboard.made import MadeLake
from umg_assets_tests.dashboard.serving import Answer, Server, served
from umg_assets_tests.processes import own_environment
from umg_assets_tests.web import Certificate, basic

pytestmark = pytest.mark.sail_enough

CHART = "/charts/AT/2026-10"
SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def is_safe(answer: Answer) -> bool:
    """Whether an answer carries the headers that keep a browser on its guard."""
    return {name: answer.headers.get(name) for name in SAFE} == SAFE


@pytest.mark.parametrize("path", ["/", CHART, "/static/style.css", "/healthz", "/version", "/no/such/page"])
def test_nothing_but_get_and_head_is_answered(server: Server, path: str):
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        if method == "BREW" and server.ask(path, method).status == 400:
            continue  # the HTTP parser refuses it before us
        refused = server.ask(path, method)
        assert (refused.status, refused.headers["allow"], is_safe(refused)) == (405, "GET, HEAD", True), method
    got, head = server.ask(path), server.ask(path, "HEAD")
    assert head.status == got.status
    assert head.body == b""
    different = {name for name in got.headers if got.headers[name] != head.headers.get(name)} - {"date"}
    assert not different


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3001", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:3001"])
def test_a_browser_that_came_by_a_name_of_this_machine_is_answered(server: Server, host: str):
    assert server.ask(CHART, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3001",
        "localhost.evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1.evil.example",
        "127.0.0.1:evil",
        "localhost@evil.example",
        "[::2]",
        "::1",
        "",
    ],
)
def test_a_page_of_another_site_cannot_read_this_one_under_its_own_name(server: Server, host: str):
    refused = server.ask(CHART, host=host)
    assert (refused.status, is_safe(refused)) == (421, True)
    assert "Song 1" not in refused.text


def test_a_request_without_a_host_or_with_two_is_refused(server: Server):
    for names in ([], ["localhost", "evil.example"], ["evil.example", "localhost"]):
        refused = server.send(CHART, "GET", [("Host", name) for name in names], host=False)
        assert refused.status == 400
        assert "Song 1" not in refused.text


def test_behind_a_proxy_that_checks_them_any_host_name_is_answered(charted: MadeLake):
    with served(charted.settings, hosts=None) as server:
        server.watch.show_first()
        assert server.ask("/about", host="charts.example.com").status == 200


def test_every_link_form_and_file_carries_the_prefix_that_a_proxy_puts_before_paths(charted: MadeLake):
    with served(charted.settings, "/umg") as server:
        server.watch.show_first()
        for path in ("/", CHART, "/search?q=song", "/about", "/charts/XX/2026-10", "/no/such/page"):
            cut, kept = server.ask(path), server.ask(f"/umg{path}")
            assert (cut.status, cut.body) == (kept.status, kept.body), "proxies that cut the prefix off, and others"
            targets = re.findall(r'(?:href|action|src)="([^"#]+)"', kept.text)
            assert targets
            assert not [target for target in targets if not target.startswith("/umg/")]
            for target in {target.split("#")[0] for target in targets if "/static/" in target}:
                assert server.ask(target).status == 200
        assert server.ask("/umg").text == server.ask("/").text
        assert server.ask("/umgelaut").status == 404


@pytest.mark.parametrize("prefix", ["umg", "/charts", "/static/x", "/a b", "/..//", "//evil.example", '/"><script>'])
def test_a_prefix_is_a_path_that_no_page_begins_with(made: MadeLake, prefix: str):
    with pytest.raises(OptionError, match="expected a path such as /umg"):
        serve(made.home, Access(), 0, prefix)


def test_the_network_comes_in_only_through_a_proxy_or_with_tls_and_passwords(made: MadeLake, tmp_path: Path):
    for access in (Access("0.0.0.0"), Access("192.168.1.5"), Access("0.0.0.0", password_file=_passwords(tmp_path))):
        with pytest.raises(AccessError, match=r"lets the network in.*reverse proxy"):
            serve(made.home, access, 0, "")
        replace(access, behind_proxy=True).check()
    with pytest.raises(AccessError, match="belong together"):
        Access("0.0.0.0", certificate=tmp_path / "cert.pem", behind_proxy=True).check()


def _passwords(folder: Path) -> Path:
    file = folder / "passwords"
    file.write_text("ann:secret\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def command(charted: MadeLake):
    """Starts `umg dashboard` over CHARTS with options, as a process; ends those that it started."""
    started: list[subprocess.Popen] = []

    def start(*options: str, **environment: str) -> None:
        words = [sys.executable, "-m", "umg_assets", "--home", str(charted.home), "dashboard", *options]
        started.append(subprocess.Popen(words, env={**own_environment(), **environment}, stdout=subprocess.DEVNULL))

    yield start
    for process in started:
        process.terminate()
        process.wait()


@pytest.mark.exhaustive
def test_the_command_serves_over_tls_to_those_who_know_a_name_and_password(command, tmp_path: Path):
    certificate, port = Certificate(tmp_path), free_port()
    files = ["--tls-cert", certificate.file, "--tls-key", certificate.key, "--password-file", _passwords(tmp_path)]
    command("--host", "0.0.0.0", "--port", str(port), *map(str, files))

    def status(headers: dict[str, str], name: str = "localhost") -> int:
        return certificate.status(port, CHART, {"Host": name, **headers})

    assert awaited(lambda: status(basic("ann", "secret")) == 200)
    assert (status({}), status(basic("ann", "wrong")), status({}, "evil.example")) == (401, 401, 401)


def test_the_command_believes_a_proxy_by_its_own_address_and_not_by_what_forwarded_headers_say(command):
    port = free_port()
    command("--port", str(port), UMG_DASHBOARD__USER_HEADER="X-User", UMG_DASHBOARD__PROXIES='["203.0.113.9"]')

    def page(**headers: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)
        try:
            return urllib.request.urlopen(request, timeout=30).read().decode()
        except OSError:
            return ""

    assert awaited(page)
    assert "mallory" not in page(**{"X-User": "mallory", "X-Forwarded-For": "203.0.113.9"})


def _with_proxies(charted: MadeLake, *proxies: str):
    settings = charted.settings
    dashboard = settings.dashboard.model_copy(update={"user_header": "X-User", "proxies": proxies})
    return settings.model_copy(update={"dashboard": type(dashboard).model_validate(dashboard.model_dump())})


def test_the_user_whom_a_named_proxy_gives_stands_in_the_page_and_never_in_a_page_that_is_kept(charted: MadeLake):
    with served(_with_proxies(charted, "127.0.0.1")) as server:
        server.watch.show_first()
        nobody = server.ask(CHART)
        ann, björn = server.ask(CHART, x_user="ann"), server.ask(CHART, x_user="björn")
        assert "Signed in" not in nobody.text
        assert "Signed in as <b>ann</b>" in ann.text
        assert "Signed in as <b>björn</b>" in björn.text
        assert "ann" not in [*ann.headers.values(), *nobody.headers.values()]
        assert server.ask(CHART).body == nobody.body
        assert len({answer.headers["etag"] for answer in (nobody, ann, björn)}) == 3
        assert server.ask(CHART, x_user="ann", if_none_match=björn.headers["etag"]).status == 200
        assert server.ask(CHART, x_user="ann", if_none_match=ann.headers["etag"]).status == 304
        assert (ann.headers["cache-control"], ann.headers["vary"]) == ("private, no-cache", "accept-encoding, x-user")
        download = f"{CHART}?format=csv"
        assert server.ask(download, x_user="ann").body == server.ask(download).body
        escaped = server.ask(CHART, x_user="<script>alert(1)</script>").text
        assert "<script>" not in escaped
        assert "Signed in as <b>&lt;script&gt;" in escaped
        for odd in ("", "   ", "x" * 101, "a\u202eb", "\x01"):
            assert "Signed in" not in server.ask(CHART, x_user=odd).text, repr(odd)
        twice = [("X-User", "ann"), ("X-User", "mallory")]
        assert "Signed in" not in server.send(CHART, "GET", twice).text


def test_a_user_whom_anybody_else_gives_is_not_shown(charted: MadeLake, server: Server):
    with served(_with_proxies(charted, "10.0.0.1")) as other:
        other.watch.show_first()
        assert "ann" not in other.ask(CHART, x_user="ann").text
    assert "ann" not in server.ask(CHART, x_user="ann").text


def test_only_the_sites_of_the_settings_may_show_it_in_a_frame(charted: MadeLake, server: Server):
    settings = charted.settings
    dashboard = settings.dashboard.model_copy(update={"frame_ancestors": ("https://wiki.example.com",)})
    with served(settings.model_copy(update={"dashboard": dashboard})) as framed:
        policy = framed.ask("/healthz").headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://wiki.example.com")
    assert server.ask("/healthz").headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_what_has_not_changed_is_not_sent_again_and_what_is_sent_is_compressed(server: Server):
    for path in (CHART, f"{CHART}?format=json", "/static/style.css"):
        first = server.ask(path, accept_encoding="br, gzip;q=0.8")
        assert (first.headers["content-encoding"], first.headers["vary"]) == ("gzip", "accept-encoding")
        assert int(first.headers["content-length"]) < len(first.body)
        tag = first.headers["etag"]
        for names in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = server.ask(path, if_none_match=names)
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), names
            assert is_safe(again)
            assert again.headers.get("x-umg-set") == first.headers.get("x-umg-set")
        assert server.ask(path, if_none_match='"other"').status == 200
        for refused in ("identity", "gzip;q=0", "gzip; q=0.0", ""):
            plain = server.ask(path, accept_encoding=refused)
            assert "content-encoding" not in plain.headers, refused
            assert plain.body == first.body


def test_an_address_without_a_page_says_what_there_is(server: Server):
    for path, words in {
        "/charts/XX/2026-10": "There are charts of AT, DE, LI, SK",
        "/charts/AT/1999-01": "There are charts for 2026-10, 2026-09, 2026-08",
        f"{CHART}?by=luck": "There is: plays, streams, listening_time, listeners",
        f"{CHART}?format=exe": "There is no such download: format is one of csv, json, parquet",
        f"{CHART}?format=csv&table=plays": "table is one of chart, left",
    }.items():
        answer = server.ask(path)
        assert (answer.status, is_safe(answer)) == (404, True), path
        assert words in answer.text


def test_every_link_of_the_header_leads_to_a_page(server: Server):
    links = sections(server.ask("/"))
    assert [link for link in links if server.ask(link).status != 200] == []


def test_a_page_that_cannot_be_made_says_so_without_how_and_the_log_names_its_address(
    charted: MadeLake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fails(_):
        raise RuntimeError("a secret of the inside")

    routes = [site_module.Route("/broken", fails), site_module.Route("/about", about.about)]
    monkeypatch.setattr("umg_assets_tests.dashboard.serving.ROUTES", routes)
    with served(charted.settings) as server, caplog.at_level(logging.ERROR):
        server.watch.show_first()
        answer = server.ask("/broken?x=1")
        assert (answer.status, is_safe(answer)) == (500, True)
        assert 'href="/health"' in answer.text
        assert not re.search(r"secret|Traceback|RuntimeError|\.py", answer.text)
        assert "/broken?x=1" in caplog.text
        assert "a secret of the inside" in caplog.text
        assert server.ask("/about").status == 200


TRAVERSALS = (
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/app.py",
    "/static//etc/passwd",
    "/static/%00style.css",
    "/static/",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/charts/..%2f..%2fetc/2026-10",
    "/charts/AT%00/2026-10",
    "/charts/%ff%fe/2026-10",
    "/charts/AT%2F2026-10",
    "//evil.example/charts",
    "//[",
    "/\\..\\..\\etc\\passwd",
)


@pytest.mark.parametrize("target", TRAVERSALS)
def test_an_address_is_a_key_and_never_a_path(server: Server, target: str):
    answer = server.ask(target)
    assert answer.status in (400, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


SQL = (
    "' or 1=1 --",
    "plays'; drop table x; --",
    "AT' union select user_id from plays --",
    "\x00",
    "🎵" * 50,
    "%",
    "\\",
)


def test_what_a_query_holds_is_never_sql_and_an_overlong_address_is_refused(server: Server):
    for text in SQL:
        for target in (
            f"/charts/{quote(text, safe='')}/2026-10",
            f"/charts/AT/{quote(text, safe='')}",
            f"{CHART}?{urlencode({'by': text})}",
            f"{CHART}?{urlencode({'with': text})}",
            f"/artists/Pop?{urlencode({'market': text, 'day': text})}",
            f"/plays?{urlencode({'from': text, 'to': text})}",
        ):
            assert server.ask(target).status == 404, target
        found = server.ask(f"/search?{urlencode({'q': text, 'format': 'json'})}")
        assert found.status == 200, text
        assert '"tracks": []' in found.text, text
    assert server.ask(f"/search?{urlencode({'q': 'Песня', 'format': 'csv'})}").status == 200
    for target in (
        f"/search?q={'x' * 10_000}",
        f"/{'x' * 10_000}",
        f"{CHART}?{'&'.join(f'a{n}=1' for n in range(3_000))}",
    ):
        answer = server.ask(target)
        assert (answer.status, is_safe(answer)) == (414, True)


def test_a_name_that_a_query_gives_twice_counts_once_and_the_page_links_to_what_it_shows(server: Server):
    twice, once = server.ask(f"{CHART}?by=streams&by=listeners&utm=x"), server.ask(f"{CHART}?by=listeners")
    assert twice.body == once.body
    assert f"{CHART}?by=listeners&amp;format=csv" in twice.text


def test_a_flood_of_made_up_queries_leaves_no_page_behind(charted: MadeLake):
    with served(charted.settings) as server:
        server.watch.show_first()
        kept = server.watch.site._kept  # type: ignore[union-attr]
        server.watch.answer(CHART)
        before = len(kept)
        for number in range(40):
            server.watch.answer(f"{CHART}?x{number}={number}&by=&z")
            server.watch.answer(f"/search?q={number}")
            server.watch.answer(f"/charts/X{number}/2026-10")
            server.watch.answer(f"/made/up/{number}")
        assert len(kept) == before
        server.watch.answer(f"{CHART}?by=listeners&with=DE&x=1")
        server.watch.answer(f"{CHART}?with=DE&by=listeners&x=2")
        assert len(kept) == before + 1


def test_the_pages_that_are_kept_take_bounded_room(charted: MadeLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(site_module, "_KEPT_BYTES", 100_000)
    with served(charted.settings) as server:
        server.watch.show_first()
        site = server.watch.site
        assert site is not None
        for market in site.served.months:
            for other in site.served.months:
                server.watch.answer(f"/charts/{market}/2026-10?with={other}")
        held = sum(len(page.body) + len(page.compressed) for page in site._kept.values())
        assert 0 < held == site._bytes <= 100_000
        assert len(site._kept) < len(site.served.months) ** 2


def test_many_threads_that_ask_for_one_page_at_once_get_the_same(charted: MadeLake):
    with served(charted.settings) as server:
        server.watch.show_first()
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.append(server.ask(f"{CHART}?by=listeners&with=SK")))
            for _ in range(12)
        ]
        _all(threads)
        assert len(answers) == 12
        assert len({(answer.status, answer.body) for answer in answers}) == 1


def _all(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_compressed_pages_are_the_same_pages(server: Server):
    rendered, _ = server.watch.answer(CHART)
    assert gzip.decompress(rendered.compressed) == rendered.body


@pytest.mark.parametrize("opened_before", [False, True])
def test_a_slash_at_the_end_of_an_address_changes_nothing(charted: MadeLake, opened_before: bool):
    """Also where the page of another query has been opened before."""
    targets = ("/charts", "/charts/AT", "/charts/AT/2026-10", "/charts/AT/2026-10?by=listeners", "/experiments",
               "/charts/AT/2026-10?by=listeners&format=csv", "/plays?market=AT", "/artists/Pop?market=AT")  # fmt: skip
    with served(charted.settings) as server, served(charted.settings) as other:
        server.watch.show_first()
        other.watch.show_first()
        if opened_before:
            for target in targets:
                server.ask(target.split("?")[0])
        for target in targets:
            path, _, query = target.partition("?")
            answer, expected = server.ask(f"{path}/?{query}"), other.ask(target)
            assert (answer.status, answer.body) == (expected.status, expected.body), target
            assert answer.headers["content-type"] == expected.headers["content-type"], target
            assert answer.status == 200, target
        assert server.ask("/charts//AT/2026-10?by=listeners").status == 404, "the page of another address"


def test_a_market_alone_is_its_newest_chart(server: Server):
    assert server.ask("/charts/LI?format=json&by=streams").text == (
        server.ask("/charts/LI/2026-10?format=json&by=streams").text
    )
    assert server.ask("/charts/XX").status == 404
    assert 'href="/charts/LI/2026-10"' in server.ask("/charts/XX").text
