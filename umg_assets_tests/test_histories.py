"""Whatever deliveries come, run after run: the tables are those of a fresh build. Alone in its file, for it is long."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umg_assets_tests.lake import Lake

# neighbouring days, for sessions past midnight; two months; days more than 35 apart
days = st.sampled_from(
    [date(2026, month, number) for month, number in [(2, 1), (2, 27), (2, 28), (3, 1), (3, 2), (4, 2)]]
)
times = st.tuples(days, st.sampled_from(["12:00", "22:50", "23:10"])).map(lambda at: f"{at[0]}T{at[1]}:00Z")
rows = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from(["s", ""]),
    times,
    st.sampled_from([1_000, 200_000]),
    st.sampled_from(["AT", "DE", ""]),
)
plays_files = st.tuples(st.just("plays"), st.sampled_from(["2026-04-03", "2026-04-05", "2026-04-06"]), st.lists(rows))
users_files = st.tuples(
    st.just("users"),
    st.sampled_from(["2026-02-10", "2026-03-01", "2026-04-04"]),
    st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from(["AT", "DE"]), st.just(""), st.just("2000-02-29"))),
)
tracks_files = st.tuples(
    st.just("tracks"),
    st.sampled_from(["2026-02-10", "2026-03-01"]),
    st.lists(
        st.tuples(
            st.sampled_from(["t1", "t2"]),
            st.sampled_from(["Un", "Deux"]),
            st.sampled_from(["a1", "a2"]),
            st.sampled_from(["Ann", "Bob"]),
            st.sampled_from(["Pop", "Rock"]),
            st.sampled_from([1, 9**6]),
        ),
        max_size=2,
    ),
)
histories = st.lists(st.lists(plays_files | users_files | tracks_files, min_size=1, max_size=3), min_size=2, max_size=4)


@pytest.mark.exhaustive
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)
@given(histories)
def test_any_history_of_deliveries_ends_in_the_tables_of_a_fresh_build(history: list):
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "home")
        for run in history:
            for kind, name, content in run:
                if kind == "plays":
                    lake.drop_plays(name, [(i, "u", session, "t1", *rest) for i, session, *rest in content])
                else:
                    getattr(lake, f"drop_{kind}")(name, content)
            lake.run()
        before = lake.versions()
        assert lake.run().runs == 0
        assert lake.versions() == before
        assert lake.content() == lake.built_afresh(Path(folder) / "fresh").content()
