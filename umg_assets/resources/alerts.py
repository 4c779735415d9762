"""Alerts: what is wrong is told once, and once when it is mended, to a command, a webhook and by e-mail.

What is wrong, findings.py decides; what has been told lies in UMG_HOME/alerts.json, by receiver: one that is down is
tried again at the next turn, and the others hear nothing twice. No file's name, nobody's id, no record is sent.
"""

import json
import logging
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.message import EmailMessage
from typing import Any

from umg_assets import clock
from umg_assets.resources.findings import CHECK, Finding, findings_of
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.locks import exclusive
from umg_assets.resources.published import CURRENT, HEALTH, complete_through
from umg_assets.resources.status import newest_sums
from umg_assets.settings.groups import Alerts
from umg_assets.settings.model import Settings

TOLD = "alerts.json"
_LOCK = ".alerts.lock"
_log = logging.getLogger(__name__)
Message = dict[str, Any]


class NotSentError(RuntimeError):
    """A receiver did not take a message; the message says why, and names no secret."""


def tell(settings: Settings) -> None:
    """Tells each receiver what is wrong now and has not been told it, and what was told and is no longer so.

    A receiver that cannot be reached is warned of in the log; it never fails who calls.
    """
    senders = _senders(settings.alerts)
    if not senders:
        return
    wrong = {finding.about: finding for finding in _wrong(settings)}
    with exclusive(settings.home / _LOCK):
        told = read_json(settings.home / TOLD)
        for name, send in senders.items():
            before = told.get(name, {})
            news = [of for about, of in wrong.items() if about not in before or _count(of) > before[about]["count"]]
            mended = [before[about] for about in before if about not in wrong]
            if not news and not mended:
                continue
            try:
                send(_message(settings, news, mended))
            except Exception as error:  # whatever a receiver does, it fails no run
                why = f"{error}" if isinstance(error, NotSentError) else f"{type(error).__name__}: {error}"
                _log.warning("alert not sent: %s: %s; it is tried again at the next turn", name, why)
                continue
            told[name] = {about: _noted(of) for about, of in wrong.items()}
            write_json(settings.home / TOLD, told)


def _wrong(settings: Settings) -> list[Finding]:
    """What somebody is told of: everything bad, and every red check."""
    sums = newest_sums(settings.home, read_json(settings.home / "exports" / CURRENT / HEALTH))
    found = findings_of(settings.home, sums, complete_through(settings.home), settings, clock.now())
    return [of for of in found if of.about and (of.level == "bad" or of.about.startswith(f"{CHECK} "))]


def _count(finding: Finding) -> int:
    """How many there are of what is counted: more than were told is news. 0 for what is not counted."""
    return int(finding.figure.replace(",", "")) if finding.figure.replace(",", "").isdigit() else 0


def _noted(finding: Finding) -> dict[str, Any]:
    named = {name: getattr(finding, name) for name in ("about", "subject", "sentence", "action")}
    return {**named, "count": _count(finding)}


def _message(settings: Settings, news: list[Finding], mended: list[Mapping[str, Any]]) -> Message:
    """The JSON that is sent: text for people, and what it is made of."""
    lines = [f"wrong: {of.sentence}{f' ({of.action})' if of.action else ''}" for of in news]
    lines += [f"mended: {of['sentence']}" for of in mended]
    return {
        "text": "\n".join([f"umg on {socket.gethostname()}, {settings.home}:", *lines]),
        "host": socket.gethostname(),
        "home": str(settings.home),
        "at": clock.now().isoformat(timespec="seconds"),
        "wrong": [_noted(of) for of in news],
        "mended": [dict(of) for of in mended],
    }


def _senders(alerts: Alerts) -> dict[str, Callable[[Message], None]]:
    """How each receiver in umg.toml is sent a message, by its name."""
    given = {"command": alerts.command, "webhook": alerts.webhook, "e-mail": alerts.smtp_host}
    senders = {"command": _run, "webhook": _post, "e-mail": _mail}
    return {name: lambda message, send=senders[name]: send(alerts, message) for name, value in given.items() if value}


def _run(alerts: Alerts, message: Message) -> None:
    """Starts the command in a session of its own, so that nothing it started outlives the time-out."""
    started = subprocess.Popen(
        alerts.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        started.communicate(json.dumps(message).encode(), timeout=alerts.timeout_seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        raise NotSentError(f"{alerts.command[0]} took over {alerts.timeout_seconds:g} s and was ended") from None
    if started.returncode:
        raise NotSentError(f"{alerts.command[0]} ended with exit code {started.returncode}: expected 0")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the secret goes to the address in umg.toml alone."""


def _post(alerts: Alerts, message: Message) -> None:
    headers = {"Content-Type": "application/json"}
    if alerts.webhook_secret_from:
        headers[alerts.webhook_header] = _secret(alerts.webhook_secret_from)
    assert alerts.webhook
    request = urllib.request.Request(alerts.webhook, json.dumps(message).encode(), headers)
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=alerts.timeout_seconds):
        pass


def _mail(alerts: Alerts, message: Message) -> None:
    assert alerts.smtp_host
    assert alerts.mail_from
    mail = EmailMessage()
    mail["Subject"] = f"umg: {len(message['wrong'])} wrong, {len(message['mended'])} mended"
    mail["From"], mail["To"] = alerts.mail_from, ", ".join(alerts.mail_to)
    mail.set_content(message["text"])
    where, timeout, trusted = (alerts.smtp_host, alerts.smtp_port), alerts.timeout_seconds, ssl.create_default_context()
    is_tls = alerts.smtp_security == "tls"
    with (
        smtplib.SMTP_SSL(*where, timeout=timeout, context=trusted) if is_tls else smtplib.SMTP(*where, timeout=timeout)
    ) as server:
        if alerts.smtp_security == "starttls":
            server.starttls(context=trusted)
        if alerts.smtp_user and alerts.smtp_password_from:
            server.login(alerts.smtp_user, _secret(alerts.smtp_password_from))
        server.send_message(mail)


def _secret(variable: str) -> str:
    """The value of an environment variable. Raises NotSentError where it is not set."""
    if not (value := os.environ.get(variable)):
        raise NotSentError(f"expected a secret in the environment variable {variable}, which is not set")
    return value
