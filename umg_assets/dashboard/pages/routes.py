"""Every address of the dashboard."""

from umg_assets.dashboard.pages import (
    about,
    artists,
    charts,
    experiments,
    favourites,
    health,
    overview,
    plays,
    search,
    tracks,
)
from umg_assets.dashboard.site import Route

ROUTES = (
    Route("/", overview.overview),
    Route("/charts", charts.newest_chart, ("by", "with")),
    Route("/charts/{market}", charts.chart, ("by", "with")),
    Route("/charts/{market}/{month}", charts.chart, ("by", "with")),
    Route("/tracks/{track_id}", tracks.track, ("by",)),
    Route("/artists", artists.genres, ("market", "day", "by")),
    Route("/artists/{genre}", artists.artists, ("market", "day", "by")),
    Route("/favourites", favourites.favourites, ("day", "age_group")),
    Route("/plays", plays.plays, ("from", "to", "market", "order", "scale")),
    Route("/experiments", experiments.experiments),
    Route("/experiments/{name}", experiments.experiment),
    Route("/health", health.health),
    Route("/search", search.search, ("q",), kept=False),
    Route("/about", about.about),
)
