"""The dashboard under load: pages that are kept and pages that are computed, its start, its memory, and a browser."""

import asyncio
import itertools
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.dashboard_lake import MARKETS, MONTHS, make_lake
from bench.worlds import SETTLED_ENVIRONMENT
from umg_assets.tables import CRITERIA

CLIENTS, REQUESTS = 20, 4_000
COMPUTED = 200
PREWARMED = 6
"""Months whose charts are kept from the start."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, its unit, as measured (None: could not be), what is aimed at, and Streamlit's as measured
    once beside a prototype over the demo (None: never)."""

    name: str
    unit: str
    measured: float | None
    aim: float
    streamlit: float | None = None


def dashboard(folder: Path, days: int, say: Callable[[str], None]) -> list[Figure]:
    """The figures over a lake with so many days of artists' charts, 3,600 rows each."""
    say(f"writing {days:,} days of charts")
    home = folder / "dashboard"
    make_lake(home, days)
    port = _free_port()
    say("starting the dashboard")
    started = time.monotonic()
    code = "from umg_assets.cli.main import main; main()"
    command = [sys.executable, "-c", code, "--home", str(home), "dashboard", "--port", str(port)]
    server = subprocess.Popen(command, env=SETTLED_ENVIRONMENT, stdout=subprocess.DEVNULL)
    try:
        first = _first_page(server, port, started)
        kept = [_chart(*one) for one in itertools.product(MARKETS, MONTHS[-PREWARMED:], CRITERIA)]
        say("pages that are kept")
        asyncio.run(_ask(port, [kept]))
        chosen = random.Random(7)
        of_clients = [chosen.choices(kept, k=REQUESTS // CLIENTS) for _ in range(CLIENTS)]
        kept_ms = asyncio.run(_ask(port, of_clients))
        say("pages that are computed")
        older = [_chart(*one) for one in itertools.product(MARKETS, MONTHS[:-PREWARMED], CRITERIA)]
        computed_ms = asyncio.run(_ask(port, [chosen.sample(older, COMPUTED)]))
        say("a browser")
        visible, elsewhere = _in_browser(f"http://127.0.0.1:{port}{kept[0]}")
        peak = _peak_mb(server.pid)
    finally:
        server.terminate()
        server.wait()
    return [
        Figure(f"kept page, {CLIENTS} clients, p95", "ms", _p95(kept_ms), 50, 2_866),
        Figure("computed page, 1 client, p95", "ms", _p95(computed_ms), 50, 301),
        Figure("start to first page", "ms", first * 1_000, 1_500),
        Figure("peak memory", "MB", peak, 300, 273),
        Figure("content visible, median", "ms", visible, 1_000, 3_367),
        Figure("from other hosts", "bytes", elsewhere, 0),
    ]


def _chart(market: str, month: object, criterion: str) -> str:
    return f"/charts/{market}/{month:%Y-%m}" + ("" if criterion == "plays" else f"?by={criterion}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _first_page(server: subprocess.Popen, port: int, started: float) -> float:
    """Seconds from the start of the process until it has answered with a page."""
    while server.poll() is None:
        try:
            asyncio.run(_ask(port, [["/"]]))
            return time.monotonic() - started
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"umg dashboard ended with {server.returncode} before it answered")


async def _ask(port: int, of_clients: Sequence[Sequence[str]]) -> list[float]:
    """Milliseconds of each request; each client asks for one address after the other on its own connection.

    Raises OSError for a refused connection or an answer that is not 200.
    """

    async def client(addresses: Sequence[str]) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        taken = []
        for address in addresses:
            begun = time.perf_counter()
            writer.write(f"GET {address} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            taken.append(1_000 * (time.perf_counter() - begun))
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise OSError(f"{address}: {head[:60]!r}")
        writer.close()
        return taken

    return [one for taken in await asyncio.gather(*map(client, of_clients)) for one in taken]


def _p95(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[-1]


def _peak_mb(pid: int) -> float | None:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def _in_browser(address: str, times: int = 5) -> tuple[float | None, float | None]:
    """Milliseconds until content is visible in an empty browser, the median; and bytes from other hosts."""
    if CHROMIUM is None:
        return None, None
    from playwright.sync_api import Response, sync_playwright

    paints: list[float] = []
    elsewhere = 0
    host = "/".join(address.split("/")[:3])
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=root)
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            answers: list[Response] = []
            page.on("response", lambda answer, answers=answers: answers.append(answer))
            page.goto(address)
            paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
            while (visible := page.evaluate(paint)) is None:
                page.wait_for_timeout(20)
            paints.append(visible)
            elsewhere += sum(len(answer.body()) for answer in answers if not answer.url.startswith(host))
            context.close()
        browser.close()
    return statistics.median(paints), elsewhere
