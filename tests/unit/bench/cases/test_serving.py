from __future__ import annotations

from typing import Any

import pytest

from bench.cases import serving
from bench.contestants.servers import NGINX, OLAREG, OURS, REGISTRY
from bench.derived import wall
from bench.model import Sample


def test_the_best_registry_is_chosen_among_those_measured() -> None:
    found = {OURS: Sample(0.5, 1), REGISTRY: Sample(3, 1), OLAREG: Sample(2, 1)}
    assert serving._best(found, wall) == 2
    assert serving._beside(REGISTRY, found) == 6


def test_without_another_registry_there_is_no_best() -> None:
    with pytest.raises(ValueError, match="empty"):
        serving._best({OURS: Sample(1, 1), NGINX: Sample(1, 1)}, wall)


@pytest.mark.parametrize("clients", [1, 4, 32])
def test_every_number_of_clients_transfers_the_same_bytes(clients: int) -> None:
    (case,) = (case for case in serving.CASES if case.name == f"serve-blob-{clients}")
    contestants: Any = case.contestants
    _feed, _names, at_once, times = contestants.args
    assert at_once * times == serving.TRANSFERS
