"""Generates a world: its landing files and the truth about them."""

import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import numpy as np

from umg_assets.generator.catalogue import Catalogue, make_catalogue
from umg_assets.generator.charts import write_charts
from umg_assets.generator.dirty import BadPlay, plant_bad_plays
from umg_assets.generator.faults import Deliveries, deliver
from umg_assets.generator.files import write_plays
from umg_assets.generator.people import People, make_people
from umg_assets.generator.plays import make_plays
from umg_assets.generator.records import FileCount, write_tracks, write_users
from umg_assets.generator.truth import connect_truth, count_plays, write_file_counts
from umg_assets.generator.world import World

Progress = Callable[[float, str], None]


def generate(world: World, landing: Path, truth: Path | None, progress: Progress | None = None) -> dict:
    """Write the world's files under `landing` and, unless `truth` is None, the truth about them under `truth`.

    landing should be empty: files of the same names are replaced, other files stay and are not part of the truth.
    progress is called with the fraction done (0 to 1) and a phrase. Returns the summary (truth/summary.json): seed
    and knobs; totals by source (files, records, landed, quarantined; for plays also plays and duplicates); faults, the
    planted faults by kind (a file delivered twice counts once); reasons, the bad records of all files by source and
    reason.
    """
    report = progress or (lambda _part, _phrase: None)
    threads = min(4, os.cpu_count() or 1)
    landing.mkdir(parents=True, exist_ok=True)
    report(0.0, "making up users and tracks")
    people, catalogue = make_people(world), make_catalogue(world)
    counts = [*write_users(world, people, landing), *write_tracks(world, catalogue, landing)]
    report(0.05, "listening to music")
    deliveries = deliver(world, people, make_plays(world, people, catalogue, threads))
    report(0.35, "planting faults")
    bad = plant_bad_plays(world, deliveries, people.known, catalogue.known)
    report(0.4, "writing plays")
    _write_all_plays(world, deliveries, bad, landing, threads, report)
    counts += _count_files(deliveries, bad)
    summary = _summary(world, people, catalogue, deliveries, counts)
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        report(0.7, "counting the truth")
        write_file_counts(counts, world, truth)
        counted = count_plays(world, people, deliveries, truth)
        del deliveries
        report(0.8, "ranking the truth")
        with connect_truth(world, catalogue, counted) as con:
            write_charts(con, world, truth)
        (truth / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    report(1.0, "done")
    return summary


def _write_all_plays(
    world: World, deliveries: Deliveries, bad: list[list[BadPlay]], landing: Path, threads: int, report: Progress
) -> None:
    def write(index: int) -> None:
        rows = deliveries.rows.take(slice(deliveries.start[index], deliveries.start[index + 1]))
        write_plays(landing, deliveries.files[index], rows, bad[index], world.markets)

    with ThreadPoolExecutor(threads) as pool:
        written = [pool.submit(write, index) for index in range(len(deliveries.files))]
        for done, future in enumerate(as_completed(written), 1):
            future.result()
            report(0.4 + 0.3 * done / len(written), "writing plays")


def _count_files(deliveries: Deliveries, bad: list[list[BadPlay]]) -> list[FileCount]:
    counts = []
    for file, landed, records in zip(deliveries.files, np.diff(deliveries.start).tolist(), bad, strict=True):
        reasons = dict(Counter(record.reason for record in records))
        counts += [FileCount("plays", path, file.day, landed, reasons) for path in (file.path, file.again) if path]
    return counts


def _summary(
    world: World, people: People, catalogue: Catalogue, deliveries: Deliveries, counts: list[FileCount]
) -> dict:
    totals, reasons = {}, {}
    for source in ("plays", "users", "tracks"):
        counts_of_source = [count for count in counts if count.source == source]
        by_reason = sum((Counter(count.reasons) for count in counts_of_source), Counter[str]())
        landed, quarantined = sum(count.landed for count in counts_of_source), by_reason.total()
        totals[source] = {
            "files": len(counts_of_source),
            "records": landed + quarantined,
            "landed": landed,
            "quarantined": quarantined,
        }
        reasons[source] = dict(sorted(by_reason.items()))
    totals["plays"] |= {"plays": world.plays, "duplicates": totals["plays"]["landed"] - world.plays}
    rows = deliveries.rows
    planted = {
        **deliveries.planted,
        "rows_of_unknown_users": int((rows.user >= people.known).sum()),
        "rows_of_unknown_tracks": int((rows.track >= catalogue.known).sum()),
        "rows_with_event_country": int((rows.country >= 0).sum()),
        "users_who_move": people.moved,
        "tracks_retitled": catalogue.retitled,
        "tracks_with_duration_corrected": catalogue.durations_corrected,
    }
    knobs = {**asdict(world), "users": world.user_count, "tracks": world.track_count}
    knobs |= {"first_day": world.first_day.isoformat(), "last_day": world.last_day.isoformat()}
    return {"seed": world.seed, "knobs": knobs, "totals": totals, "faults": planted, "reasons": reasons}
