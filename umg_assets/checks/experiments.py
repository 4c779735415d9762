"""Asset checks of experiments: whether anything holds a readout back."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from umg_assets.catalogue import readout_asset
from umg_assets.settings.model import Settings
from umg_assets.text import visible

HELD = "nothing_holds_it"


def build_experiment_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One check for the readout of each experiment in umg.toml."""
    return [_held(name) for name in settings.experiments]


def _held(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=readout_asset(name),
        name=HELD,
        blocking=False,
        description="Sample ratio, users in two arms, logged against recomputed variants, the pre-period and the "
        "definition. What holds a readout back names likely causes, and no effect is read until it is cleared up.",
    )
    def held(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from umg_assets.experiments.readouts import Readouts  # imports scipy: only where it is read

        return _verdict(Readouts(settings.home).written(name) or {})

    return held


def _verdict(readout: Mapping[str, Any]) -> dg.AssetCheckResult:
    holds = [finding for finding in readout.get("findings", ()) if finding["level"] == "hold"]
    return dg.AssetCheckResult(
        passed=not holds,
        metadata={
            "holds": len(holds),
            "found": {finding["check"]: finding["text"] for finding in holds},
            "likely_causes": [cause for finding in holds for cause in finding["causes"]],
        },
        description=visible(" ".join(finding["text"] for finding in holds)) or None,
    )
