"""The documents of an image in a registry are fetched as the choice says."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from remote.copying.fetched_image import fetch_image
from remote.pushing.choice import Choice
from remote.registry.repository import Repository
from remote.registry.values import Tag
from store.errors import InvalidInput, NotFound, TooLarge
from store.model.digests import Digest
from store.model.limits import Limits
from store.model.platforms import Platform
from tests.support.images import A, B
from tests.support.layouts import Descriptor, Layout, gzip

if TYPE_CHECKING:
    from remote.pushing.image import SentImage
    from remote.registry.values import ManifestDocument, ManifestReference
    from tests.support.other_registry import OtherRegistry

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def pushed(registry: OtherRegistry) -> dict[str, Descriptor]:
    """Store a nested index with an attestation, signatures and a cosign tag in the registry."""
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    attestation = layout.attestation(amd64)
    inner = layout.index(arm64)
    index = layout.index(amd64, attestation, inner)
    layout.root(index, "docker.io/team/app:1")
    signature = layout.root(layout.artifact(b"signature", subject=amd64))
    second = layout.root(layout.artifact(b"of the signature", subject=signature))
    cosign = layout.artifact(b"cosign")
    layout.root(cosign, f"docker.io/team/app:{index['digest'].replace(':', '-')}.sig")
    registry.store.import_archive(io.BytesIO(layout.tar()))
    for one in (signature, second):
        status = registry.ask(
            "PUT",
            f"/v2/team/app/manifests/{one['digest']}",
            layout.blobs[one["digest"]],
            Content_Type=one["mediaType"],
        ).status
        assert status in {201, 404}
    return {
        "amd64": amd64,
        "arm64": arm64,
        "attestation": attestation,
        "inner": inner,
        "index": index,
        "signature": signature,
        "second": second,
        "cosign": cosign,
    }


def fetch(
    registry: OtherRegistry, choice: Choice, limits: Limits | None = None, tag: str = "1"
) -> SentImage:
    return registry.run(
        lambda: fetch_image(registry.repository("team/app"), Tag(tag), choice, limits or Limits())
    )


def names(image: SentImage, pushed: dict[str, Descriptor]) -> set[str]:
    by_digest = {one["digest"]: name for name, one in pushed.items()}
    return {by_digest[str(digest)] for digest in image.documents}


def test_an_index_is_fetched_with_everything_below_it(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    image = fetch(registry, Choice())

    assert str(image.root.digest) == pushed["index"]["digest"]
    assert names(image, pushed) == {"index", "amd64", "attestation", "inner", "arm64"}
    assert image.tags == {}
    assert image.name == f"{registry.host}/team/app:1"


def test_one_platform_is_fetched_without_its_index(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    image = fetch(registry, Choice((ARM64,)))

    assert str(image.root.digest) == pushed["arm64"]["digest"]
    assert names(image, pushed) == {"arm64"}


def test_a_sparse_index_keeps_the_attestation_of_its_image(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    image = fetch(registry, Choice((AMD64,), sparse=True))

    assert str(image.root.digest) == pushed["index"]["digest"]
    assert names(image, pushed) == {"index", "inner", "amd64", "attestation"}


def test_a_platform_that_the_index_lacks_is_an_error_with_its_platforms(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    del pushed
    with pytest.raises(InvalidInput, match="windows/amd64") as caught:
        fetch(registry, Choice((Platform.parse("windows/amd64"),)))

    assert caught.value.hint == "choose from its platforms: linux/amd64, linux/arm64"


def test_referrers_are_found_by_their_subject_and_by_their_tag(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    image = fetch(registry, Choice(referrers=True))

    assert names(image, pushed) == set(pushed)
    tag = f"{pushed['index']['digest'].replace(':', '-')}.sig"
    assert image.tags == {tag: Digest.parse(pushed["cosign"]["digest"])}


def test_a_tag_that_does_not_exist_is_not_found(
    registry: OtherRegistry, pushed: dict[str, Descriptor]
) -> None:
    del pushed
    with pytest.raises(NotFound, match="team/app:other"):
        fetch(registry, Choice(), tag="other")


@pytest.mark.parametrize(
    "limits",
    [Limits(graph_nodes=4), Limits(graph_depth=2), Limits(documents_bytes=1000)],
    ids=["nodes", "depth", "bytes"],
)
def test_the_documents_have_ceilings(
    registry: OtherRegistry, pushed: dict[str, Descriptor], limits: Limits
) -> None:
    del pushed
    with pytest.raises(TooLarge):
        fetch(registry, Choice(), limits)


def test_no_more_referrers_are_fetched_than_the_limit_allows(
    registry: OtherRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout()
    app = layout.image(gzip(A))
    layout.root(app, "docker.io/team/app:1")
    for number in range(40):
        layout.root(layout.artifact(b"%d" % number, subject=app))
    registry.store.import_archive(io.BytesIO(layout.tar()))
    fetched = []
    manifest = Repository.manifest

    async def counted(self: Repository, reference: ManifestReference) -> ManifestDocument:
        fetched.append(reference)
        return await manifest(self, reference)

    monkeypatch.setattr(Repository, "manifest", counted)

    with pytest.raises(TooLarge):
        fetch(registry, Choice(referrers=True), Limits(graph_nodes=5))

    assert len([one for one in fetched if isinstance(one, Digest)]) <= 10
