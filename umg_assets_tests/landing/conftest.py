"""What the tests of landing share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Patches for all of the module; the engine of its lakes is Sail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", "sail")
        yield patch
