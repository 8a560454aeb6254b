"""Cases that compare storectl with other clients of registries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bench.cases.imports import MEMORY
from bench.contestants import registry_clients
from bench.contestants.peers import NEWEST_SKOPEO
from bench.contestants.registry_clients import CRANE, REGCTL
from bench.contestants.servers import NEWEST_REGISTRY, OURS
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


CASES: Final = (
    _case("client-pull", "the real image, pulled from distribution 3", registry_clients.pulling),
    _case(
        "client-push",
        "the real image, pushed to an empty distribution 3",
        registry_clients.pushing,
    ),
)
