"""Alerts reach real receivers on this machine: once, once more when mended, again after a receiver was down."""

import base64
import json
import logging
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

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
    """An SMTP server that takes every e-mail; mails: their text, with headers.

    tls: a server's context, used from the first byte or, with `starttls`, once the client asks for it. clear: the lines
    that came in clear. logins: what signed in, in base64.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, starttls: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.tls, self.starttls = tls, starttls
        self.mails, self.clear, self.logins = list[str](), list[bytes](), list[bytes]()

    def handle_error(self, *_: Any) -> None:
        """A client that refuses the certificate hangs up: nothing is printed."""


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        if self.server.tls and not self.server.starttls:
            self._begin_tls()
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            if not isinstance(self.connection, ssl.SSLSocket):
                self.server.clear.append(line)
            self.wfile.write(self._answer(line))
            if line[:4].upper() == b"QUIT":
                return
            if line[:8].upper() == b"STARTTLS":
                self._begin_tls()

    def _answer(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"EHLO":
                return b"250-here\r\n" + (b"250-STARTTLS\r\n" if self.server.starttls else b"") + b"250 AUTH PLAIN\r\n"
            case b"STAR":
                return b"220 go on\r\n"
            case b"AUTH":
                self.server.logins.append(line.split()[-1])
                return b"235 welcome\r\n"
            case b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 good\r\n"

    def _begin_tls(self) -> None:
        assert self.server.tls
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)


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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def mailbox_of(authority: trustme.CA, security: str, name: str = "localhost") -> Mailbox:
    """A server whose certificate is for a name; security: as in umg.toml, or `stripped`: it offers no STARTTLS."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(tls)
    return Mailbox(None if security == "stripped" else tls, security == "starttls")


def mail_over(lake: Lake, mailbox: Mailbox, security: str, trusted: trustme.CA) -> None:
    """Tells of a held file by e-mail, with a password, trusting an authority as a machine trusts its own."""
    with trusted.cert_pem.tempfile() as file, pytest.MonkeyPatch.context() as changed:
        changed.setenv("SSL_CERT_FILE", file)
        changed.setenv("MAIL_SECRET", SECRET)
        lake.configure(
            f'[alerts]\nsmtp_host = "localhost"\nsmtp_port = {mailbox.server_address[1]}\n'
            f'smtp_security = "{security}"\nsmtp_user = "umg"\nsmtp_password_from = "MAIL_SECRET"\n'
            'mail_from = "umg@example.com"\nmail_to = ["a@example.com"]\n'
        )
        note(lake.home, held=1)
        tell(lake.settings)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_an_e_mail_and_its_password_go_over_tls_alone(lake: Lake, authority: trustme.CA, security: str):
    with serving(mailbox := mailbox_of(authority, security)):
        mail_over(lake, mailbox, security, authority)
    assert len(mailbox.mails) == 1
    assert [base64.b64decode(login) for login in mailbox.logins] == [b"\0umg\0" + SECRET.encode()]
    assert [line[:4].upper() for line in mailbox.clear] == ([] if security == "tls" else [b"EHLO", b"STAR"])


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("name", ["localhost", "elsewhere.example.com"])
def test_a_server_whose_certificate_is_not_trusted_or_of_another_name_gets_no_password_and_no_mail(
    lake: Lake, authority: trustme.CA, security: str, name: str, caplog: pytest.LogCaptureFixture
):
    with serving(mailbox := mailbox_of(authority, security, name)):
        mail_over(lake, mailbox, security, trustme.CA() if name == "localhost" else authority)
    assert "alert not sent: e-mail: " in caplog.text
    assert "certificate verify failed" in caplog.text
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_a_server_that_offers_no_starttls_gets_no_password_and_no_mail(
    lake: Lake, authority: trustme.CA, caplog: pytest.LogCaptureFixture
):
    """Or somebody on the way says that it does not."""
    with serving(mailbox := mailbox_of(authority, "stripped")):
        mail_over(lake, mailbox, "starttls", authority)
    assert "STARTTLS extension not supported by server" in caplog.text
    assert (mailbox.mails, mailbox.logins) == ([], [])
    assert SECRET not in caplog.text


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
