"""Users: their age and country on a day."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from umg_assets.generator.people import NO_DATE, make_people
from umg_assets.generator.world import AGE_GROUPS, World
from umg_assets_tests.generator.recount import age_group

WORLD = World(plays=3_000, days=40, last_day=date(2027, 3, 20), users=400)
EPOCH = date(1970, 1, 1)


def test_an_age_group_changes_on_the_birthday_and_for_leap_days_on_the_28th_of_february() -> None:
    people = make_people(WORLD)
    births = [date(1992, 2, 29), date(1992, 2, 28), date(1992, 3, 1), date(2012, 2, 29), date(2002, 3, 1)]
    days = [date(year, 2, 26) + timedelta(days=n) for year in (2017, 2018, 2025, 2027, 2028) for n in range(6)]
    people = replace(people, row_birth=np.array([(birth - EPOCH).days for birth in births]))
    lookups = [(row, day) for row in range(len(births)) for day in days if day.year - births[row].year > 13]
    rows, days_since_1970 = zip(*((row, (day - EPOCH).days) for row, day in lookups), strict=True)
    groups = people.age_group_on(np.array(rows), np.array(days_since_1970))
    assert [AGE_GROUPS[group] for group in groups] == [age_group(births[row], day) for row, day in lookups]


def test_nobody_is_under_13_and_some_users_have_no_birth_date() -> None:
    people = make_people(World(plays=30_000, days=40, last_day=date(2027, 3, 20), users=20_000))
    youngest = EPOCH + timedelta(days=int(people.row_birth.max()))
    assert youngest <= WORLD.first_day.replace(year=WORLD.first_day.year - 13)
    assert 0.03 < (people.row_birth == NO_DATE).mean() < 0.2


def test_a_delivered_row_is_valid_from_its_day_on_and_the_first_one_also_before() -> None:
    people = make_people(WORLD)
    several = np.flatnonzero(np.bincount(people.row_user) > 1)
    assert len(several) > 5
    for user in several.tolist():
        rows = np.flatnonzero(people.row_user == user)
        for day in range(-1, WORLD.days + 1):
            delivered = [row for row in rows if people.row_day[row] <= day]
            assert people.row_on(np.array([user]), np.array([day]))[0] == (delivered[-1] if delivered else rows[0])


def test_users_in_no_file_have_no_country() -> None:
    people = make_people(WORLD)
    stranger = np.array([people.known])
    assert people.country_on(stranger, np.array([3])).tolist() == [-1]
