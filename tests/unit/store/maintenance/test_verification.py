from __future__ import annotations

import bz2
import lzma
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from store import Store
from store.catalog.checking import verification
from store.content.blocks import open_blocks
from store.content.decoding import Decoding
from store.content.streams import stream
from store.errors import ImageNotFound
from store.formats.compression.seekable_zstd import seek_table
from store.maintenance import layer_proofs
from store.maintenance.layer_proofs import Claim
from store.maintenance.verification import Verifier, decide
from store.model.contents import ContentState, DiffState
from store.model.digests import DiffID, Digest, ImageID
from store.model.limits import Limits
from store.registry.registry import Registry
from store.workspace.workspace import Workspace
from tests.support import images
from tests.support.hostile_zstd import ATTACKS, seekable
from tests.support.layouts import Layout
from tests.support.pushes import import_archive
from tests.support.registry_pushes import (
    APP,
    image_manifest,
    push_blob,
    push_image,
    squeezed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    "encode_layer", [squeezed, zstandard.compress, lzma.compress], ids=["gzip", "zstd", "xz"]
)
def test_pushed_layers_are_verified_and_can_then_be_read_decoded(
    encode_layer: Callable[[bytes], bytes], store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(
        registry, (images.A, encode_layer(images.A)), (images.B, encode_layer(images.B))
    )
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(images.A)
    with store.reader() as reader:
        assert b"".join(reader.chunks(store.sources((diff,))[diff])) == images.A
    assert list(store.fsck()) == []
    assert not list((store.root / "staging").iterdir())


@pytest.mark.parametrize("compress", [lzma.compress, bz2.compress])
def test_a_layer_that_registries_do_not_name_is_not_decoded_to_disk(
    compress: Callable[[bytes], bytes], store: Store, registry: Registry
) -> None:
    layer = images.layer("zeros", bytes(8 << 20))
    image_id, _ = push_image(registry, (layer, compress(layer)))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(layer)
    (one,) = store.sources((diff,))[diff].encodings
    assert (one.digest, one.is_ours, one.is_checked) == (Digest.of(compress(layer)), False, True)
    assert not store.blobs.path(diff).exists()
    stored = [path for path in store.root.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in stored) < 2 << 20
    with closing(open_blocks(store.blobs, store.sources((diff,))[diff])) as blocks:
        assert bytes(blocks.read_into(0, bytearray(1))[:5]) == layer[:5]


@pytest.mark.parametrize("compress", [lzma.compress, bz2.compress, squeezed, zstandard.compress])
@pytest.mark.parametrize("limits", [Limits(ratio=20, free_bytes=1000), Limits(layer_bytes=99_999)])
def test_a_pushed_layer_that_grows_too_much_is_a_mismatch(
    compress: Callable[[bytes], bytes], limits: Limits, tmp_path: Path
) -> None:
    layer = images.layer("zeros", bytes(1 << 20))
    with Store.open(tmp_path, create=True, decoding=Decoding(limits)) as store:
        image_id, _ = push_image(Registry(store), (layer, compress(layer)))
        assert store.verify_image(image_id) is DiffState.MISMATCH
        assert not store.sources((Digest.of(layer),))[Digest.of(layer)].is_stored


def test_the_table_of_a_pushed_layer_is_read_in_little_memory(
    store: Store, registry: Registry
) -> None:
    blob = zstandard.compress(images.A)
    count = 300_000
    blob += seek_table([(len(blob), len(images.A)), *[(0, 0)] * (count - 1)])
    image_id, _ = push_image(registry, (images.A, blob))
    tracemalloc.start()
    try:
        assert store.verify_image(image_id) is DiffState.VERIFIED
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    diff = Digest.of(images.A)
    (one,) = store.sources((diff,))[diff].encodings
    assert not one.seekable


def test_plain_layers_are_verified_once(store: Store, registry: Registry) -> None:
    image_id, digest = push_image(registry, (images.A, images.A))
    for state in (DiffState.UNVERIFIED, DiffState.VERIFIED):
        with store.read() as connection:
            (found,) = verification.manifest_states(connection, (digest,)).values()
        assert found == (image_id, state)
        assert store.verify_image(image_id) is DiffState.VERIFIED
    other, _ = push_image(registry, (images.A, images.A), (images.A, images.A), tags=("2",))
    assert not store.needs_verification(other)


@pytest.mark.parametrize("blob", [b"no tar", squeezed(images.A)], ids=["no-tar", "gzip"])
def test_a_blob_that_is_no_plain_tar_is_not_its_own_layer(
    blob: bytes, store: Store, registry: Registry
) -> None:
    image_id, digest = push_image(registry, (blob, blob))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    reason, is_too_large = store.layer_fault(digest, image_id) or ("", True)
    assert reason.startswith(f"layer 0 ({Digest.of(blob)}) ")
    assert not is_too_large


@pytest.mark.parametrize("is_imported", [False, True])
def test_a_plain_layer_may_be_listed_by_another_digest_than_its_diff_id(
    is_imported: bool, store: Store, registry: Registry
) -> None:
    if is_imported:
        layout = Layout()
        layout.root(layout.image(images.A, algorithm="sha512"), "docker.io/team/app:sha512")
        import_archive(store, layout.tar())
    else:
        push_blob(registry, images.A, algorithm="sha512")
    config, manifest = image_manifest((images.A, images.A))
    push_blob(registry, config)
    wanted, stated = (str(Digest.of(images.A, name)) for name in ("sha256", "sha512"))
    before, _, after = manifest.rpartition(wanted.encode())
    done = registry.put_manifest(
        APP, before + stated.encode() + after, media_type="", digest=None, tags=("1",)
    )
    image_id = ImageID.of(config)
    assert store.verify_image(image_id) is DiffState.VERIFIED
    with store.read() as connection:
        (found,) = verification.manifest_states(connection, (done.digest,)).values()
    assert found == (image_id, DiffState.VERIFIED)
    assert store.read_whole(Digest.of(images.A)) == images.A
    if not is_imported:
        one, other = (store.blobs.path(Digest.of(images.A, name)) for name in ("sha256", "sha512"))
        assert one.samefile(other), "a pushed layer takes no room twice"
    assert list(store.fsck()) == []
    assert not list((store.root / "staging").iterdir())


def test_the_layers_of_a_verified_image_have_no_fault(store: Store, registry: Registry) -> None:
    image_id, digest = push_image(registry, (images.A, images.A), (images.B, squeezed(images.B)))
    assert store.layer_fault(digest, image_id) is None


def test_a_false_diff_id_is_a_mismatch_and_the_manifest_stays(
    store: Store, registry: Registry
) -> None:
    image_id, digest = push_image(registry, (images.A, squeezed(images.A)), diffs=(images.B,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert registry.manifest(APP, digest).digest == digest


def test_bytes_that_do_not_decode_are_a_mismatch(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)[:-6]))
    assert store.verify_image(image_id) is DiffState.MISMATCH


def test_one_true_manifest_verifies_an_image(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.B)), diffs=(images.A,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    push_image(registry, (images.A, squeezed(images.A)), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    (finding,) = store.fsck()
    assert (finding.kind, finding.images) == ("contradiction", ("docker.io/team/app:1",))


def test_an_imported_image_is_verified_whatever_a_client_pushes_for_it(
    store: Store, registry: Registry
) -> None:
    """A verified image is looked at again for another manifest, and only that one is marked."""
    import_archive(store, images.image(images.A, tags=("app:1",)).bytes())
    image_id, digest = push_image(registry, (images.A, images.B), diffs=(images.A,), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    with store.read() as connection:
        (found,) = verification.manifest_states(connection, (digest,)).values()
    assert found == (image_id, DiffState.MISMATCH)


def test_layers_that_came_from_elsewhere_do_not_make_a_manifest_true(
    store: Store, registry: Registry
) -> None:
    for layer in (images.A, images.B):
        import_archive(store, images.image(layer, tags=()).bytes())
    layers = (images.A, images.A), (images.B, squeezed(images.A))
    image_id, _ = push_image(registry, *layers)
    assert store.verify_image(image_id) is DiffState.MISMATCH


BLOB = Digest.of(b"blob")
FIRST, SECOND = DiffID(Digest.of(b"first")), DiffID(Digest.of(b"second"))
ITSELF, OTHER = Claim(FIRST.digest, FIRST), Claim(SECOND.digest, SECOND)
HERE, GONE, DAMAGED = ContentState.PRESENT, ContentState.ABSENT, ContentState.DAMAGED


@pytest.mark.parametrize(
    ("layers", "proven", "want"),
    [
        ([(FIRST.digest, HERE), (SECOND.digest, HERE)], {ITSELF, OTHER}, DiffState.VERIFIED),
        ([(FIRST.digest, HERE), (SECOND.digest, HERE)], {OTHER}, DiffState.MISMATCH),
        ([(BLOB, HERE), (SECOND.digest, HERE)], {Claim(BLOB, FIRST), OTHER}, DiffState.VERIFIED),
        ([(BLOB, HERE), (SECOND.digest, HERE)], {Claim(BLOB, SECOND)}, DiffState.MISMATCH),
        ([(BLOB, HERE), (SECOND.digest, GONE)], set(), DiffState.MISMATCH),
        ([(BLOB, GONE), (SECOND.digest, HERE)], {OTHER}, DiffState.UNVERIFIED),
        ([(FIRST.digest, DAMAGED), (SECOND.digest, HERE)], {OTHER}, DiffState.UNVERIFIED),
        ([(FIRST.digest, HERE)], set(), DiffState.MISMATCH),
    ],
)
def test_only_the_layers_of_the_manifest_itself_count(
    layers: list[tuple[Digest, ContentState]], proven: set[Claim], want: DiffState
) -> None:
    assert decide(layers, (FIRST, SECOND), proven) is want


def test_an_unknown_image_cannot_be_verified(store: Store) -> None:
    with pytest.raises(ImageNotFound):
        Verifier(store).verify(ImageID(BLOB))


@pytest.mark.parametrize("attack", [*ATTACKS, "sound"])
def test_only_a_table_that_fits_makes_a_pushed_layer_seekable(
    attack: str, store: Store, registry: Registry
) -> None:
    evil = images.A[:-9] + b"x" * 9
    blob = seekable(images.A[:99], images.A[99:]) if attack == "sound" else None
    image_id, _ = push_image(registry, (images.A, blob or ATTACKS[attack](images.A, evil)))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(images.A)
    (one,) = store.sources((diff,))[diff].encodings
    assert (one.is_ours, one.is_checked, one.seekable) == (False, True, attack == "sound")


@pytest.mark.parametrize(
    "blob",
    [
        squeezed(images.A) + squeezed(b"more"),
        squeezed(images.A) + b"trailing",
        zstandard.compress(images.A) + zstandard.compress(b"more"),
        zstandard.compress(images.A) + b"trailing",
        zstandard.compress(images.A[:-1]),
    ],
)
def test_bytes_beside_the_layer_are_a_mismatch(
    blob: bytes, store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(registry, (images.A, blob))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert not any(one.encodings for one in store.sources((Digest.of(images.A),)).values())


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with an item for each blob that was decoded."""
    seen: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Iterator[bytes]:  # noqa: ANN401 - as `stream`
        seen.append(1)
        return stream(*args, **kwargs)

    monkeypatch.setattr(layer_proofs, "stream", counted)
    return seen


def test_blob_with_a_false_diff_id_is_decoded_once(
    store: Store, registry: Registry, decoded: list[int]
) -> None:
    blob = squeezed(images.A)
    for number in range(5):
        # Other images and manifests with the same blob make other claims about the blob.
        image_id, _ = push_image(registry, (b"claim %d" % number, blob), tags=(str(number),))
        assert store.needs_verification(image_id)
        assert store.verify_image(image_id) is DiffState.MISMATCH
        assert not store.needs_verification(image_id)
        assert store.verify_image(image_id) is DiffState.MISMATCH
    assert len(decoded) == 1
    image_id, _ = push_image(registry, (images.A, blob), tags=("true",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert not store.needs_verification(image_id)


def test_mismatch_of_a_damaged_blob_is_not_final(
    store: Store, registry: Registry, decoded: list[int]
) -> None:
    blob = squeezed(images.A)
    image_id, _ = push_image(registry, (images.A, blob))
    path = store.blobs.path(Digest.of(blob))
    path.chmod(0o600)
    path.write_bytes(blob[:-6] + b"damage")
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert store.needs_verification(image_id)
    path.write_bytes(blob)
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert len(decoded) == 2


def test_mismatch_stays_when_another_image_brings_the_layer(
    store: Store, registry: Registry
) -> None:
    """The layer that the manifest lists is still a different one."""
    image_id, _ = push_image(registry, (images.A, squeezed(images.B)))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    other, _ = push_image(
        registry, (images.A, squeezed(images.A)), (images.B, squeezed(images.B)), tags=("2",)
    )
    assert store.verify_image(other) is DiffState.VERIFIED
    assert not store.needs_verification(image_id)
    assert store.verify_image(image_id) is DiffState.MISMATCH


def test_stopped_verification_changes_nothing(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)))
    assert store.verify_image(image_id, is_stopped=lambda: True) is DiffState.UNVERIFIED
    assert not list((store.root / "staging").iterdir())
    assert store.verify_image(image_id) is DiffState.VERIFIED


def test_verifier_forgets_the_blobs_that_it_decoded_first(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_proofs, "_MAX_REMEMBERED", 1)
    found = [
        push_image(registry, (b"claim", squeezed(layer)), tags=(str(number),))[0]
        for number, layer in enumerate((images.A, images.B))
    ]
    for image_id in found:
        store.verify_image(image_id)
    assert [store.needs_verification(image_id) for image_id in found] == [True, True]


@pytest.mark.parametrize("moment", ["after the first look-up", "before the operation", "decoding"])
def test_verifiers_that_overlap_agree(
    moment: str, store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)))
    others: list[DiffState] = []

    def verify_elsewhere() -> None:
        if not others:
            others.append(DiffState.UNVERIFIED)
            with Store.open(store.root) as other:
                others[0] = other.verify_image(image_id)

    def after_verifying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as `function`
            verify_elsewhere()
            return function(*args, **kwargs)

        return call

    home, name = {
        "after the first look-up": (verification, "unverified_layers"),
        "before the operation": (Workspace, "operation"),
        "decoding": (layer_proofs.LayerProver, "prove"),
    }[moment]
    monkeypatch.setattr(home, name, after_verifying(getattr(home, name)))
    state = store.verify_image(image_id)
    monkeypatch.undo()
    assert others == [DiffState.VERIFIED]
    # A snapshot that is older than the other verification does the work again.
    assert state is DiffState.VERIFIED
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert not store.needs_verification(image_id)


def test_an_image_that_is_removed_meanwhile_cannot_be_verified(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)))
    operation = Workspace.operation

    def after_removal(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as `operation`
        monkeypatch.undo()
        with Store.open(store.root) as other:
            other.remove(str(image_id), force=True)
            other.collect()
        return operation(*args, **kwargs)

    monkeypatch.setattr(Workspace, "operation", after_removal)
    with pytest.raises(ImageNotFound):
        store.verify_image(image_id)
