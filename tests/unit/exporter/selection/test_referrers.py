from __future__ import annotations

import io
from typing import TYPE_CHECKING

import exporter
from exporter.options import Format, SaveOptions
from exporter.selection.referrers import referrer_tags
from store.model.digests import Digest
from tests.support.images import A
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from store import Store


def test_tags_name_the_digest_with_at_most_64_digits() -> None:
    assert referrer_tags(Digest.of(b""))[:2] == (
        f"sha256-{Digest.of(b'').hex}",
        f"sha256-{Digest.of(b'').hex}.sig",
    )
    long = referrer_tags(Digest.of(b"", "sha512"))
    assert long[0] == f"sha512-{Digest.of(b'', 'sha512').hex[:64]}"
    assert all(len(tag) <= 128 for tag in long)


def test_referrers_of_referrers_and_signature_tags_are_saved_too(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    layout.root(image, "docker.io/library/app:1")
    attestation = layout.artifact(b"attestation", subject=image)
    countersignature = layout.artifact(b"countersignature", subject=attestation)
    signature = layout.artifact(b"signature")
    unrelated = layout.artifact(b"unrelated")
    layout.root(attestation)
    layout.root(countersignature)
    name = f"docker.io/library/app:{image['digest'].replace(':', '-')}.sig"
    layout.root(signature, name)
    layout.root(unrelated, "docker.io/library/app:2")
    store.import_archive(io.BytesIO(layout.tar()))
    options = SaveOptions(Format.OCI, referrers=True)
    with exporter.open_save(store, ["app:1"], options=options) as export:
        assert export.graph is not None
        saved = {str(root.digest): root.tags for root in export.graph.roots}
    assert set(saved) == {
        one["digest"] for one in (image, attestation, countersignature, signature)
    }
    assert [str(tag) for tag in saved[signature["digest"]]] == [name]
