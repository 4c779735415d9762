"""Alerts reach real receivers on this machine: once, once more when mended, again after a receiver was down."""

import json
import logging
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from umg_assets import clock
from umg_assets.resources.alerts import TOLD, tell
from umg_assets.resources.status import note
from umg_assets.runner import RunFailedError
from umg_assets.settings.model import SettingsError
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_checks_of_runs import keeping, look_at_ledger

pytestmark = pytest.mark.sail_enough
NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
SECRET, PERSON = "only-the-webhook-knows", "u1-of-somebody"


class Webhook(HTTPServer):
    """Takes JSON; answers with `status`. taken: headers and message of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.status, self.taken = 200, list[tuple[dict[str, str], dict[str, Any]]]()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What it has been told."""
        return [message for _, message in self.taken]


class _Post(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.taken.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        """A redirect was followed: what carries the secret is taken."""
        self.server.taken.append((dict(self.headers), {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that takes every e-mail; mails: their text, with headers."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.mails: list[str] = []


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 good\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving(server := Webhook()):
        yield server


def posting(webhook: Webhook) -> str:
    return f'[alerts]\nwebhook = "http://127.0.0.1:{webhook.server_port}/"\nwebhook_secret_from = "HOOK_SECRET"\n'


@pytest.fixture(scope="module")
def built(new_lake: NewLake) -> Lake:
    """Two days of plays, in order. Only copied."""
    lake = new_lake("alerts")
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(clock, "now", lambda: NOW)
        lake.drop_users("2026-03-03", [(PERSON, "AT", "25-34")])
        lake.drop_tracks("2026-03-03", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
        lake.drop_plays("2026-03-02", [play(number, "2026-03-02") for number in range(8)])
        lake.drop_plays("2026-03-03", [play(number, "2026-03-03") for number in range(8)])
        lake.run()
    return lake


@pytest.fixture
def lake(built: Lake, webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A copy of it that posts to the webhook."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    lake = built.copied(tmp_path / "home")
    lake.configure(posting(webhook) + "[thresholds]\nshrunk_percent = 20\n")
    return lake


def play(number: int, day: str) -> tuple:
    return (f"p{day}-{number}", PERSON, "s1", "t1", f"{day}T10:{number:02}:00Z", 90_000, "AT")


def told(webhook: Webhook) -> list[tuple[list[str], list[str]]]:
    """By message: what it says is wrong, and what mended."""
    return [
        ([of["about"] for of in message["wrong"]], [of["about"] for of in message["mended"]])
        for message in webhook.messages
    ]


def test_nothing_is_sent_while_all_is_well(lake: Lake, webhook: Webhook):
    lake.run()
    assert webhook.taken == []
    assert not (lake.home / TOLD).exists()


def test_a_failed_run_and_a_red_check_are_told_once_and_once_when_mended(
    lake: Lake, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
):
    lake.drop_plays("2026-03-04", [play(number, "2026-03-03") for number in range(8, 12)])
    with monkeypatch.context() as changes:
        changes.setattr("umg_assets.resources.lakehouse.Lakehouse.write_slice", keeping("daily_track_plays"))
        with pytest.raises(RunFailedError):
            lake.run()
    check = "check sums_hold_every_play of daily_track_plays"
    assert told(webhook) == [(["failed_runs", check], [])]
    lake.run()
    lake.run()
    assert told(webhook)[1:] == [([], ["failed_runs"])], "the check is red as before"
    lake.run((NOW.date().replace(day=2), NOW.date()))
    assert told(webhook)[2:] == [([], [check])]
    lake.run()
    assert len(told(webhook)) == 3


def test_a_held_file_is_told_by_its_number_and_another_one_again(lake: Lake, webhook: Webhook):
    lake.drop_plays("2026-03-03", [])
    lake.run()
    lake.run()
    assert told(webhook) == [(["held"], [])]
    lake.drop_plays("2026-03-02", [])
    lake.run()
    assert webhook.messages[1]["wrong"][0]["count"] == 2
    for day in ("2026-03-02", "2026-03-03"):
        lake.drop_plays(day, [play(number, day) for number in range(8)])
    lake.run()
    assert told(webhook)[2:] == [([], ["held"])]
    sent = json.dumps(webhook.messages)
    assert "2026-03-03.csv" not in sent
    assert PERSON not in sent


def test_old_data_is_told_once_by_a_sensor_and_a_delivery_mends_it(
    lake: Lake, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 9, 6, tzinfo=UTC))
    look_at_ledger(lake)
    late = ["newest delivery of plays", "newest complete day"]
    assert told(webhook) == [(late, [])]
    look_at_ledger(lake)
    lake.run()
    assert len(told(webhook)) == 1
    lake.drop_plays("2026-03-09", [play(number, "2026-03-08") for number in range(8)])
    lake.run()
    assert told(webhook)[1:] == [([], late)]


def test_a_receiver_that_is_down_fails_no_run_and_is_told_at_the_next_turn(
    lake: Lake, webhook: Webhook, caplog: pytest.LogCaptureFixture
):
    note(lake.home, held=1)
    webhook.status = 503
    with caplog.at_level(logging.WARNING):
        tell(lake.settings)
    assert "alert not sent: webhook: HTTPError: HTTP Error 503" in caplog.text
    webhook.status = 302
    tell(lake.settings)
    assert SECRET not in caplog.text
    assert webhook.taken == []
    webhook.status = 200
    tell(lake.settings)
    tell(lake.settings)
    ((headers, _),) = webhook.taken
    assert headers["Authorization"] == SECRET


def test_a_command_and_an_e_mail_get_the_same_and_one_that_hangs_or_is_down_does_not_keep_the_other(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    taken = tmp_path / "taken.json"
    program = [sys.executable, "-c", f"import sys; open({str(taken)!r}, 'a').write(sys.stdin.read())"]
    hangs = [sys.executable, "-c", "import time; time.sleep(60)"]
    with serving(mailbox := Mailbox()):
        mail = (
            f'smtp_host = "127.0.0.1"\nsmtp_port = {mailbox.server_address[1]}\nsmtp_security = "none"\n'
            'mail_from = "umg@example.com"\nmail_to = ["a@example.com", "b@example.com"]\ntimeout_seconds = 0.5\n'
        )
        note(lake.home, held=1)
        lake.configure(f"[alerts]\ncommand = {json.dumps(hangs)}\n{mail}")
        tell(lake.settings)
        lake.configure(f"[alerts]\ncommand = {json.dumps(program)}\n{mail.replace('0.5', '5')}")
        tell(lake.settings)
        tell(lake.settings)
    assert "took over 0.5 s and was ended" in caplog.text
    (received,) = mailbox.mails
    assert "Subject: umg: 1 wrong, 0 mended" in received
    assert "To: a@example.com, b@example.com" in received
    message = json.loads(taken.read_text())
    assert [of["about"] for of in message["wrong"]] == ["held"]
    assert message["text"].splitlines()[1] in received.replace("=\r\n", "").replace("=3D", "=")


def test_without_its_secret_nothing_is_sent_and_the_variable_is_named(
    lake: Lake, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.delenv("HOOK_SECRET")
    note(lake.home, held=1)
    tell(lake.settings)
    assert webhook.taken == []
    assert "environment variable HOOK_SECRET, which is not set" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('smtp_host = "h"', "expected mail_from and mail_to"),
        ('smtp_user = "u"', "expected smtp_password_from"),
        ('smtp_user = "u"\nsmtp_password_from = "P"\nsmtp_security = "none"', "expected 'starttls' or 'tls'"),
        ('smtp_password_from = "UMG_PASSWORD"', "expected the name of an environment variable"),
        ('webhook = "file:///etc/passwd"', "webhook"),
    ],
)
def test_alerts_that_could_not_be_sent_safely_are_refused_in_umg_toml(tmp_path: Path, text: str, message: str):
    lake = Lake(tmp_path / "home")
    lake.configure(f"[alerts]\n{text}\n")
    with pytest.raises(SettingsError, match=message):
        _ = lake.settings
