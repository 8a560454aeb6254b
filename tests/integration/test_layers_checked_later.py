"""Pulled layers are decoded at first need: a false diff ID ends there, and harms nothing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter import Format, SaveOptions
from remote.pulling.options import PullOptions
from remote.pulling.report import FailedImage
from store.catalog.checking import verification
from store.errors import DiffMismatch
from store.importing.archive import LayerChecks
from store.model.contents import ContentState, DiffState
from store.model.digests import Digest
from storectl import cli
from storectl.output.exit_codes import exit_code
from tests.support.faulty_registry import Answer
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, plain, zstd
from tests.support.pulls import Pulls, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store import Store
    from store.model.references import Reference
    from tests.support.layouts import Blob

APP = "docker.io/team/app:1"
AT_ONCE = PullOptions(checks=LayerChecks.REQUIRED)
CODECS = {"gzip": gzip, "zstd": zstd}


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path) as found:
        yield found


@pytest.fixture
def pulls(store: Store) -> Iterator[Pulls]:
    with Pulls(store) as found:
        yield found


def lying(layer: Blob, *, claimed: bytes) -> Blob:
    """Return a layer of which the config claims that it decodes to other bytes."""
    return replace(layer, plain=claimed)


def serve(upstream: Upstream, *layers: Blob, name: str = APP) -> Reference:
    layout = Layout()
    layout.root(layout.image(*layers), name)
    upstream.serve(layout)
    return upstream.name("team/" + name.rpartition("/")[2])


def state(store: Store, digest: Digest) -> DiffState:
    with store.read() as connection:
        return verification.manifest_states(connection, (digest,))[digest][1]


def saved(store: Store, name: Reference, format_: Format = Format.LEGACY) -> bytes:
    out = io.BytesIO()
    options = SaveOptions(format_)
    with exporter.open_save(store, [str(name)], options=options) as export:
        export.write(out)
    return out.getvalue()


@pytest.mark.parametrize("codec", CODECS)
def test_a_pulled_layer_is_decoded_when_a_save_needs_it(
    upstream: Upstream, pulls: Pulls, store: Store, codec: str
) -> None:
    name = serve(upstream, CODECS[codec](A), CODECS[codec](B))
    digest = pulls.pull(name).digest
    assert state(store, digest) is DiffState.UNVERIFIED
    assert list(store.fsck()) == []
    archive = saved(store, name)
    assert A in archive
    assert B in archive
    assert state(store, digest) is DiffState.VERIFIED
    assert list(store.fsck()) == []


def test_a_layer_without_compression_is_checked_while_it_arrives(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    digest = pulls.pull(serve(upstream, plain(A))).digest
    assert state(store, digest) is DiffState.VERIFIED


def test_the_list_shows_the_stored_size_until_the_layers_are_decoded(
    upstream: Upstream, pulls: Pulls, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    name = serve(upstream, plain(A), gzip(B))
    packed = len(gzip(B).data)
    pulls.pull(name)
    (one,) = store.images()
    assert one.size_bytes == len(A) + packed
    assert store.images()[0] == next(iter(store.each_image()))
    details = store.inspect(str(name))
    assert [layer.size_bytes for layer in details.layers] == [len(A), packed]
    assert [layer.undecoded for layer in details.layers] == [None, Digest.of(gzip(B).data)]
    assert store.usage(each=True).images[0].size_bytes == len(A) + packed
    capsys.readouterr()
    assert cli.run(["--root", str(store.root), "inspect", str(name)]) == 0
    layers = json.loads(capsys.readouterr().out)[0]["Layers"]
    assert [layer["State"] for layer in layers] == ["present", "undecoded"]
    store.verify_image(details.image_id)
    assert store.images()[0].size_bytes == len(A) + len(B)
    assert [layer.undecoded for layer in store.inspect(str(name)).layers] == [None, None]


def test_a_layer_that_the_store_has_undecoded_is_not_read_again(
    upstream: Upstream, pulls: Pulls, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls.pull(serve(upstream, gzip(A)))
    name = serve(upstream, gzip(A), gzip(B), name="docker.io/team/other:1")
    with monkeypatch.context() as patched:
        patched.setattr(store, "reader", lambda: pytest.fail("the layer is here"))
        outcome = pulls.pull(name)
    assert (outcome.fetched_blobs, outcome.present_blobs) == (1, 1)
    assert A in saved(store, name)


def test_a_layer_that_another_pull_has_decoded_needs_no_second_check(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    pulls.each(serve(upstream, gzip(A)), options=AT_ONCE)
    digest = pulls.pull(serve(upstream, gzip(A), name="docker.io/team/other:1")).digest
    assert state(store, digest) is DiffState.VERIFIED


@pytest.mark.parametrize("codec", CODECS)
def test_a_lying_image_ends_at_first_use_with_its_name_and_its_layer(
    upstream: Upstream, pulls: Pulls, store: Store, codec: str
) -> None:
    wrong = lying(CODECS[codec](B), claimed=A)
    name = serve(upstream, wrong)
    digest = pulls.pull(name).digest
    for _ in range(2):
        with pytest.raises(DiffMismatch) as caught:
            saved(store, name)
        blob = Digest.of(wrong.data)
        assert f"{name.familiar}: layer 0 ({blob}) decodes to" in caught.value.message
        assert exit_code(caught.value) == 6
    assert state(store, digest) is DiffState.MISMATCH
    # As an image that was pushed so, it goes on as it is, and a note names it.
    options = SaveOptions(Format.OCI)
    with exporter.open_save(store, [str(name)], options=options) as export:
        assert "contradict its config" in export.notes[0]


def test_a_lying_image_never_stands_for_the_right_layer(
    upstream: Upstream, pulls: Pulls, store: Store, tmp_path: Path
) -> None:
    right = tmp_path / "right.tar"
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/right:1")
    right.write_bytes(layout.tar())
    name = serve(upstream, lying(gzip(B), claimed=A))
    pulls.pull(name)
    store.import_archive(right)
    pulls.each(serve(upstream, lying(zstd(B), claimed=A), name="docker.io/team/late:1"))
    with exporter.open_save(store, ["team/right:1"]) as export:
        out = io.BytesIO()
        export.write(out)
    assert A in out.getvalue()
    assert B not in out.getvalue()
    with pytest.raises(DiffMismatch):
        saved(store, name)


def test_a_check_at_once_refuses_a_lying_image_and_changes_nothing(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    name = serve(upstream, gzip(A))
    (before,) = pulls.each(name, options=AT_ONCE)
    assert not isinstance(before, FailedImage)
    assert state(store, before.digest) is DiffState.VERIFIED
    serve(upstream, lying(gzip(B), claimed=A))
    (outcome,) = pulls.each(name, options=AT_ONCE)
    assert isinstance(outcome, FailedImage)
    assert isinstance(outcome.error, DiffMismatch)
    assert str(name) in outcome.error.message
    assert store.inspect_manifest(str(name)).summary.digest == before.digest
    assert list(store.fsck()) == []


def test_a_damaged_layer_is_whole_again_after_a_pull(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    name = serve(upstream, gzip(A))
    pulls.each(name, options=AT_ONCE)
    blob = Digest.of(gzip(A).data)
    (store.root / "blobs" / store.blobs.location(blob)).write_bytes(b"damaged")
    assert [one.kind for one in store.fsck()] != []
    assert pulls.pull(name).fetched_blobs == 1
    assert A in saved(store, name)
    with store.read():
        assert store.sources((Digest.of(A),))[Digest.of(A)].state is ContentState.PRESENT
    assert list(store.fsck()) == []


def test_wrong_bytes_are_refused_while_they_arrive(
    upstream: Upstream, pulls: Pulls, store: Store
) -> None:
    name = serve(upstream, gzip(A))
    blob = gzip(A).data
    wrong = blob[:-1] + bytes((blob[-1] ^ 1,))
    upstream.registry.always(Answer(body=wrong), path=f"/blobs/{Digest.of(blob)}")
    (outcome,) = pulls.each(name)
    assert isinstance(outcome, FailedImage)
    assert exit_code(outcome.error) == 4
    assert (store.names("", 9), store.images()) == ((), ())
