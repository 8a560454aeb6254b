"""BuildKit pulls base images from the mirror, and pushes images, attestations and its cache."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from store import Store
from tests.support.engine import require
from tests.support.imported_layouts import content
from tests.support.peers.buildkit import PROGRAMS, Buildkit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

ATTESTATION = "application/vnd.docker.attestation.manifest.v1+json"
PROVENANCE = ("--opt", "attest:provenance=mode=max")


@pytest.fixture
def buildkit(endpoint: Endpoint) -> Iterator[Buildkit]:
    require(*PROGRAMS)
    started = Buildkit(endpoint)
    yield started
    started.stop()


def manifest(endpoint: Endpoint, repository: str, reference: str) -> dict[str, Any]:
    found = endpoint.manifest(repository, reference)
    assert found is not None
    read: dict[str, Any] = json.loads(found.data)
    return read


def test_an_image_with_its_attestation_and_cache_is_pushed_and_built_on(
    buildkit: Buildkit, endpoint: Endpoint, app: str
) -> None:
    # The name of the base image has no registry: BuildKit asks the mirror of docker.io.
    dockerfile = f"FROM {app.partition('/')[2]}\nCOPY a.txt /a.txt\n"
    cache = f"type=registry,ref={endpoint.host}/built/cache:1"
    image = f"type=image,push=true,name={endpoint.host}/built/app:1"
    buildkit.build(dockerfile, *PROVENANCE, "--export-cache", cache, output=image)
    built, attestation = manifest(endpoint, "built/app", "1")["manifests"]
    stated = manifest(endpoint, "built/app", attestation["digest"])
    assert stated["artifactType"] == ATTESTATION
    assert stated["subject"]["digest"] == built["digest"]
    assert len(manifest(endpoint, "built/app", built["digest"])["layers"]) == 3
    buildkit.run("prune")
    saved = endpoint.fresh("built.tar")
    buildkit.build(
        f"FROM {endpoint.host}/built/app:1\nLABEL more=this\n",
        *PROVENANCE,
        "--import-cache",
        cache,
        output=f"type=oci,dest={saved},name=built/more:1",
    )
    endpoint.import_archive(saved.read_bytes())
    with Store.open(endpoint.mirror.root) as store, tarfile.open(saved) as archive:
        for member in archive.getmembers():
            if member.isfile() and member.name.startswith("blobs/"):
                file = archive.extractfile(member)
                assert file is not None
                name = member.name.removeprefix("blobs/").replace("/", ":")
                assert content(store, name) == file.read()
