"""Every address of the dashboard."""

from umg_assets.dashboard.pages import about, charts, experiments, health, overview, search
from umg_assets.dashboard.site import Route

ROUTES = (
    Route("/", overview.overview),
    Route("/charts", charts.newest_chart, ("by", "with")),
    Route("/charts/{market}/{month}", charts.chart, ("by", "with")),
    Route("/experiments", experiments.experiments),
    Route("/experiments/{name}", experiments.experiment),
    Route("/health", health.health),
    Route("/search", search.search, ("q",), kept=False),
    Route("/about", about.about),
)
