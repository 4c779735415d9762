"""Deliveries: the file into which each play goes."""

from datetime import date

import numpy as np
import pytest

from umg_assets.generator.catalogue import make_catalogue
from umg_assets.generator.faults import Deliveries, deliver
from umg_assets.generator.people import make_people
from umg_assets.generator.plays import make_plays
from umg_assets.generator.world import CSV, World

WORLD = World(plays=60_000, days=90, last_day=date(2026, 11, 22))


@pytest.fixture(scope="module")
def deliveries() -> Deliveries:
    people = make_people(WORLD)
    return deliver(WORLD, people, make_plays(WORLD, people, make_catalogue(WORLD), threads=1))


def test_no_event_country_is_lost_in_a_layout_without_one(deliveries: Deliveries) -> None:
    layouts = np.repeat([file.layout for file in deliveries.files], np.diff(deliveries.start))
    assert (deliveries.rows.country >= 0).any()
    assert not ((deliveries.rows.country >= 0) & (layouts == CSV)).any()


def test_no_play_is_delivered_before_the_day_it_starts(deliveries: Deliveries) -> None:
    delivered = np.repeat([file.day for file in deliveries.files], np.diff(deliveries.start))
    started = WORLD.calendar.day_of(deliveries.rows.start)
    assert (started <= delivered).all()
    assert (started < delivered).mean() == pytest.approx(0.014, abs=0.004)


def test_corrections_stay_within_35_days_of_the_play(deliveries: Deliveries) -> None:
    """So only reused play_ids have copies whose local days are further apart."""
    rows, local = deliveries.rows, WORLD.calendar.local_date(deliveries.rows.start)
    first, last = np.full(WORLD.plays, 10**6), np.zeros(WORLD.plays, np.int64)
    np.minimum.at(first, rows.number, local)
    np.maximum.at(last, rows.number, local)
    assert (last - first > 35).sum() == deliveries.planted["play_id_reused_after_35_days"]
