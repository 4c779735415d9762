"""Synthetic landing files with planted faults, and the truth about them.

`generate(World(...), landing, truth)` writes the files that an exporter would drop, and the tables that a correct
lakehouse must build from them. It shares no code with the lakehouse: the truth is computed from the generator's arrays,
never from the files it wrote. `sources.toml` describes the files in the format of the settings.
"""

from umg_assets.generator.assemble import generate
from umg_assets.generator.world import World

__all__ = ["World", "generate"]
