from __future__ import annotations

import pytest

from tests.reliability.fault_layer import CompilerMissingError, compiled


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skip the test if the fault layer cannot be compiled."""
    try:
        compiled()
    except CompilerMissingError:
        pytest.skip("no C compiler: the fault layer cannot be made")
