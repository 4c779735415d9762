"""Made-up landing files with planted faults, and the truth about them.

`generate(World(...), landing, truth)` writes the files an exporter would drop, and beside them what a right lakehouse
must make of them. It shares no code with the lakehouse: the truth comes from the generator's own arrays, never from
the files it wrote. `sources.toml` describes the files in the form of the settings.
"""

from umg_assets.generator.assemble import generate
from umg_assets.generator.world import World

__all__ = ["World", "generate"]
