"""A pushed blob never changes the decoded bytes of a layer that other repositories serve."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import random
from typing import TYPE_CHECKING, Final

import pytest
import uvloop

import exporter
from mirror.service import MirrorSettings
from store.errors import StoreError
from store.model.digests import Digest
from tests.support import images
from tests.support.hostile_zstd import ATTACKS, hidden_frame, seekable
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode
from tests.support.mirror_in_process import InProcessMirror
from tests.support.pushes import import_archive, push
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store

GOOD: Final = images.layer("etc/cron.sh", random.Random(5).randbytes(5 << 20) + b"harmless" * 9000)
EVIL: Final = GOOD.replace(b"harmless", b"evilevil")
DIFF: Final = Digest.of(GOOD)
FORMATS: Final = ("legacy", "docker", "oci")


@pytest.fixture
def ask(store: Store) -> Iterator[InProcessMirror]:
    with InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as served:
        yield served


def push_layer(ask: InProcessMirror, store: Store, blob: bytes, name: str) -> None:
    """Push an image whose config names the victim's layer; wait until the image is verified."""
    config = images.config(GOOD, author=name)
    kind = "gzip" if blob[:2] == b"\x1f\x8b" else "zstd"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": push(ask, config, name), "size": len(config)},
        "layers": [
            {"mediaType": f"{LAYER}+{kind}", "digest": push(ask, blob, name), "size": len(blob)}
        ],
    }
    path = f"/v2/{name}/manifests/1"
    assert ask("PUT", path, encode(manifest), Content_Type=MANIFEST).status == 201
    stored = Digest.of(blob)
    until(lambda: stored in {one.digest for one in store.sources((DIFF,))[DIFF].encodings})


def set_flags(store: Store, blob: bytes, flags: str) -> None:
    """Set columns of the encoding that ``blob`` stores, and delete all other encodings."""
    stored = str(Digest.of(blob))
    with store.write() as connection:
        key = connection.exec_driver_sql(
            "SELECT id FROM content WHERE digest = ?", (stored,)
        ).scalar()
        connection.exec_driver_sql("DELETE FROM encoding WHERE stored_id <> ?", (key,))
        connection.exec_driver_sql(f"UPDATE encoding SET {flags}")  # noqa: S608 - constants of this test


def saved(store: Store, kind: str, name: str) -> bytes:
    sink, options = io.BytesIO(), exporter.SaveOptions(exporter.Format(kind))
    with exporter.open_save(store, [name], options=options) as export:
        export.write(sink)
    return sink.getvalue()


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_way_out_gives_the_layer_and_not_what_was_pushed(
    attack: str, ask: InProcessMirror, store: Store
) -> None:
    import_archive(store, images.image(GOOD, tags=("victim:1",)).bytes())
    path = f"/v2/library/victim/blobs/{DIFF}"
    before = {kind: saved(store, kind, "victim:1") for kind in FORMATS}
    hostile = ATTACKS[attack](GOOD, EVIL)
    push_layer(ask, store, hostile, "mallory")
    first = store.sources((DIFF,))[DIFF].encodings[0]
    assert first.is_ours
    for only_hostile in (False, True):
        if only_hostile:
            # The hostile encoding is not preferred, but now it is the only form that is left.
            set_flags(store, hostile, "codec = codec")
        (pushed,) = [
            one
            for one in store.sources((DIFF,))[DIFF].encodings
            if one.digest == Digest.of(hostile)
        ]
        assert (pushed.is_ours, pushed.is_checked, pushed.seekable) == (False, True, False)
        assert ask("GET", path).body == GOOD
        middle = len(GOOD) - 60_000
        for start, stop in ((0, 10), (0, len(GOOD) - 2), (middle, middle + 50_000)):
            part = ask("GET", path, Range=f"bytes={start}-{stop}")
            assert (part.status, part.body) == (206, GOOD[start : stop + 1])
        for kind in FORMATS:
            archive = ask("GET", f"/archives/{kind}/victim:1")
            assert archive.body == before[kind] == saved(store, kind, "victim:1")
            part = ask("GET", f"/archives/{kind}/victim:1", Range="bytes=700-")
            assert (part.status, part.body) == (206, before[kind][700:])
    assert not list(store.fsck())


@pytest.mark.parametrize(
    "blob", [hidden_frame(GOOD, EVIL), gzip.compress(EVIL, mtime=0)], ids=["zstd", "gzip"]
)
@pytest.mark.parametrize("flags", ["seekable = 1, checked = 1", "seekable = 0, checked = 0"])
def test_even_a_false_row_gives_the_layer_or_an_error(
    flags: str, blob: bytes, ask: InProcessMirror, store: Store
) -> None:
    """Record a false encoding as proven, as a deceived check or an old program would record it."""
    import_archive(store, images.image(GOOD, tags=("victim:1",)).bytes())
    right = {kind: saved(store, kind, "victim:1") for kind in FORMATS}
    push_layer(ask, store, hidden_frame(GOOD, EVIL), "mallory")
    if blob[:2] == b"\x1f\x8b":
        push(ask, blob, "mallory")
        with store.write() as connection:
            connection.exec_driver_sql(
                "UPDATE encoding SET codec = 'gzip', stored_id ="
                " (SELECT id FROM content WHERE digest = ?) WHERE ours = 0",
                (str(Digest.of(blob)),),
            )
    set_flags(store, blob, flags)

    def is_safe(target: str, right: bytes, *, byte_range: str = "") -> bool:
        headers = {"Range": byte_range} if byte_range else {}
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE content SET state = 'present'")
        try:
            got = ask("GET", target, None, **headers)
        except http.client.IncompleteRead as exc:
            return len(exc.partial) < len(right)
        return bool(got.status >= 400 or got.body == right)

    path = f"/v2/library/victim/blobs/{DIFF}"
    assert is_safe(path, GOOD)
    if "checked = 0" in flags:
        assert is_safe(path, GOOD[-5000:], byte_range="bytes=-5000")
        assert is_safe(path, GOOD[:-1], byte_range=f"bytes=0-{len(GOOD) - 2}")
    for kind in FORMATS:
        assert is_safe(f"/archives/{kind}/victim:1", right[kind])
        with contextlib.suppress(StoreError):
            assert saved(store, kind, "victim:1") == right[kind]


def test_a_layer_that_only_a_foreign_encoding_gives_is_served_by_its_frames(
    ask: InProcessMirror, store: Store
) -> None:
    blob = seekable(GOOD[: 4 << 20], GOOD[4 << 20 :])
    push_layer(ask, store, blob, "app")
    import_archive(store, images.image(GOOD, tags=("victim:1",)).bytes())
    (one,) = store.sources((DIFF,))[DIFF].encodings
    assert (one.is_ours, one.is_checked, one.seekable) == (False, True, True)
    path = f"/v2/library/victim/blobs/{DIFF}"
    assert ask("GET", path).body == GOOD
    assert ask("GET", path, Range="bytes=-5000").body == GOOD[-5000:]
