"""Cases that compare storectl with other clients of registries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bench.cases.imports import MEMORY
from bench.contestants import registry_clients, syncs
from bench.contestants.peers import NEWEST_SKOPEO
from bench.contestants.registry_clients import CRANE, REGCTL
from bench.contestants.servers import COUNTED_REGISTRY, NEWEST_REGISTRY, OURS
from bench.contestants.syncs import HAULER, REMEMBERED
from bench.corpora.generated import MIB
from bench.corpora.inputs import Inputs
from bench.derived import wall
from bench.model import Case, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.contestants.command import Command
    from bench.model import Round
    from bench.workshop import Workshop

_PEERS: Final = (NEWEST_SKOPEO, CRANE, REGCTL)


def _clients(make: Callable[..., Sequence[Command]], shop: Workshop) -> Sequence[Command]:
    inputs = Inputs(shop)
    return make(shop, inputs.real_layout("gzip"), inputs.image, NEWEST_REGISTRY)


def _beside(peers: Sequence[str], one: Round) -> float:
    """Return how many times faster storectl is than the fastest of some peers.

    Raises:
        KeyError: No peer was measured.
    """
    measured = [name for name in peers if name in one] or peers
    return min(wall(one, name) for name in measured) / wall(one, OURS)


def _layers_bytes(shop: Workshop) -> int:
    return sum(path.stat().st_size for path in Inputs(shop).oci_blobs("gzip"))


def _case(name: str, title: str, make: Callable[..., Sequence[Command]]) -> Case:
    return Case(
        name,
        title,
        partial(_clients, make),
        (
            Target("≥ 1.5 x skopeo", partial(_beside, (NEWEST_SKOPEO,)), 1.5, at_least=True),
            Target("≥ 1.2 x the fastest client", partial(_beside, _PEERS), 1.2, at_least=True),
            MEMORY,
        ),
        _layers_bytes,
        rounds=5,
    )


def _moved_tags(shop: Workshop) -> Sequence[Command]:
    tags, moved = (50, 5) if shop.quick else (1_000, 10)
    return syncs.moved_tags(shop, COUNTED_REGISTRY, tags=tags, moved=moved)


def _shared_base(shop: Workshop) -> Sequence[Command]:
    images, base = (5, MIB) if shop.quick else (50, 16 * MIB)
    return syncs.shared_base(shop, COUNTED_REGISTRY, images=images, base_bytes=base)


def _requests_beside_skopeo(name: str, one: Round) -> float:
    """Return the requests of a contestant divided by those of skopeo.

    Raises:
        KeyError: A contestant was not measured.
    """
    return one[name].extra["requests"] / one[NEWEST_SKOPEO].extra["requests"]


def _start_and_more(one: Round) -> float:
    return wall(one, REMEMBERED)


_SYNCS: Final = (
    Case(
        "sync-tags",
        "1,000 tags of which 10 moved, synced again from distribution 3",
        _moved_tags,
        (
            Target("≥ 2 x skopeo sync", partial(_beside, (NEWEST_SKOPEO,)), 2.0, at_least=True),
            Target("≤ 3 s for tags that were checked", _start_and_more, 3.0, unit="s"),
            Target(
                "≤ 0.01 of skopeo's requests for tags that were checked",
                partial(_requests_beside_skopeo, REMEMBERED),
                0.01,
            ),
            Target("≤ 0.5 of skopeo's requests", partial(_requests_beside_skopeo, OURS), 0.5),
            MEMORY,
        ),
        rounds=3,
    ),
    Case(
        "sync-family",
        "50 images on a base of 16 MiB, synced from distribution 3",
        _shared_base,
        (
            Target("≥ 2 x skopeo sync", partial(_beside, (NEWEST_SKOPEO,)), 2.0, at_least=True),
            Target("≥ 2 x hauler", partial(_beside, (HAULER,)), 2.0, at_least=True),
            MEMORY,
        ),
        rounds=3,
    ),
)

CASES: Final = (
    _case("client-pull", "the real image, pulled from distribution 3", registry_clients.pulling),
    _case(
        "client-push",
        "the real image, pushed to an empty distribution 3",
        registry_clients.pushing,
    ),
    *_SYNCS,
)
