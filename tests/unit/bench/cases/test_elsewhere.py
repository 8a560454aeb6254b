from __future__ import annotations

from dataclasses import replace

import pytest

from bench.cases import elsewhere
from bench.contestants.peers import NEWEST_SKOPEO
from bench.contestants.registry_clients import CRANE, REGCTL
from bench.contestants.servers import OURS
from bench.contestants.syncs import HAULER, REMEMBERED
from bench.model import Case, Sample

ROUND = {
    OURS: Sample(2.0, 3.0, peak_bytes=100 << 20),
    NEWEST_SKOPEO: Sample(4.0, 5.0),
    CRANE: Sample(3.0, 1.0),
    REGCTL: Sample(6.0, 1.0),
}


@pytest.mark.parametrize("case", elsewhere.CASES[:2], ids=lambda case: case.name)
def test_a_client_is_compared_with_skopeo_and_with_the_fastest(case: Case) -> None:
    assert [target.figure(ROUND) for target in case.targets] == [2.0, 1.5, 100]


def test_without_skopeo_its_target_has_no_figure() -> None:
    (skopeo, fastest, _) = elsewhere.CASES[0].targets
    rest = {name: sample for name, sample in ROUND.items() if name != NEWEST_SKOPEO}
    assert fastest.figure(rest) == 1.5
    with pytest.raises(KeyError):
        skopeo.figure(rest)


def test_syncs_are_compared_with_skopeo_and_hauler() -> None:
    tags, family = elsewhere.CASES[2:]
    counted = {name: {"requests": count} for name, count in zip(ROUND, (1010, 4000), strict=False)}
    one = {
        **{name: replace(sample, extra=counted.get(name, {})) for name, sample in ROUND.items()},
        REMEMBERED: Sample(0.5, 0.5, extra={"requests": 2}),
    }
    assert [target.figure(one) for target in tags.targets] == [2.0, 0.5, 0.0005, 0.2525, 100]
    one = {**ROUND, HAULER: Sample(1.0, 1.0)}
    assert [target.figure(one) for target in family.targets] == [2.0, 0.5, 100]
