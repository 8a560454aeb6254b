"""The commands of the clients that `make peers` builds and `.ci/run` does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.support.peers import docker
from tests.support.peers.clients import (
    LAYOUTS,
    Pull,
    Push,
    ctr_pull,
    ctr_push,
    docker_pull,
    docker_push,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.peers.mirror_endpoint import Endpoint
    from tests.support.peers.subjects import Part
    from tests.support.peers.workshop import Workshop

COSIGN: Final = "cosign"
HELM, HELM_4 = "helm", "helm-4"
PYTHON_ORAS, PYTHON_DXF, PYTHON_DOCKER = "python-oras", "python-dxf", "python-docker"
PYTHON_ASYNC = "python-async"
PYTHON: Final = {
    PYTHON_ORAS: "oras",
    PYTHON_DXF: "python-dxf",
    PYTHON_DOCKER: "docker",
    PYTHON_ASYNC: "docker-registry-client-async",
}
"""A program, which is Python in an environment of its own, and the library in this environment."""

_VERSION: Final = "import importlib.metadata as m; print(m.version({!r}))"

PROGRAMS: Final = (
    *("dockerd-29", "containerd", "containerd-2", "ctr-2", COSIGN, HELM, HELM_4, "unshare"),
    *("buildctl", "buildkitd", "runc"),
    *PYTHON,
)
"""What the tests of tests/interop/clients need."""


def _docker_pull(shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    return docker_pull(shop.docker_29, endpoint, part)


def _docker_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    docker_push(shop.docker_29, endpoint, part, name, archive=part.layout.tar())


def _ctr_pull(*options: str) -> Callable[[Workshop, Endpoint, Part], set[str]]:
    def pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
        return ctr_pull(endpoint.containerd_2, endpoint, part, *options)

    return pull


def _ctr_push(_shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    ctr_push(endpoint.containerd_2, endpoint, part, name)


PULLS: Final = (
    Pull("docker pull (29)", _docker_pull),
    Pull("ctr images pull --hosts-dir (2)", _ctr_pull()),
    Pull("ctr images pull --hosts-dir --all-platforms (2)", _ctr_pull("--all-platforms")),
)

PUSHES: Final = (
    Push("docker push (29)", _docker_push, LAYOUTS),
    Push("ctr images push --hosts-dir (2)", _ctr_push, LAYOUTS),
)


def versions(shop: Workshop, endpoint: Endpoint) -> dict[str, str]:
    """Return the version of each client."""
    run = endpoint.programs.run
    cosign = json.loads(run(COSIGN, "version", "--json"))
    return {
        "Docker Engine": docker.version(shop.docker_29),
        "containerd": endpoint.containerd_2.version(),
        "BuildKit": run("buildctl", "--version").split()[2].removeprefix("v"),
        "cosign": cosign["gitVersion"].removeprefix("v"),
        "helm": " and ".join(
            run(program, "version", "--short").strip().removeprefix("v").partition("+")[0]
            for program in (HELM, HELM_4)
        ),
        **{
            f"{library} for Python": run(program, "-c", _VERSION.format(library)).strip()
            for program, library in PYTHON.items()
        },
    }
