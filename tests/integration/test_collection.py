"""Publishing blobs and collecting garbage at once: in steps, with crashes, in many processes.

docs/architecture.md describes the protocol.
"""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

import exporter
from store import Compression, ImageID, ImportOptions, Store, errors
from store.catalog.collection import condemned, garbage
from store.catalog.collection.grace import Grace
from store.model.digests import Digest
from tests.support.images import A, B, E, config, image, layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLS = int(os.environ.get("STORECTL_KILLS", "12"))


def put(store: Store, *layers: bytes, tags: tuple[str, ...] = ("x:1",)) -> ImageID:
    store.import_archive(io.BytesIO(image(*layers, tags=tags).bytes()))
    return ImageID.of(config(*layers))


def test_content_under_a_lease_is_not_collected(store: Store, save: Callable[..., bytes]) -> None:
    put(store, A)
    before = save("x:1")
    out = io.BytesIO()
    with exporter.open_save(store, ["x:1"]) as export:
        store.remove("x:1")
        assert store.collect(dangling=True).blobs == ()
        export.write(out)
    assert out.getvalue() == before
    assert len(store.collect().blobs) == 1


def test_a_blob_stored_again_between_condemning_and_unlinking_stays(
    store: Store, root: Path, save: Callable[..., bytes]
) -> None:
    """Store a blob again between the collector's two steps; "commit, then unlink" would lose it."""
    put(store, A)
    digest = next(iter(store.blobs.digests()))
    store.remove("x:1")
    with store.write() as connection:
        keys = []
        garbage.delete_layers(connection, garbage.dead_layers(connection))
        while dead := garbage.dead_contents(connection, Grace.none(store.now())):
            keys.extend(dead)
            garbage.delete_contents(connection, dead, Grace.none(store.now()), now=store.now())
    with store.read() as connection:
        assert condemned.next_condemned(connection, 10) == [digest]
    with Store.open(root) as writer:
        put(writer, A)
    # The naive collector would now unlink the blob that it has condemned.
    store.collect()
    assert store.blobs.path(digest).is_file()
    assert A in save("x:1")
    assert not list(store.fsck())


def test_known_layers_relied_on_by_an_import_survive_a_collection_meanwhile(
    store: Store, root: Path
) -> None:
    put(store, A, tags=("x:1",))
    data = image(B, A, tags=("y:1",)).bytes()

    class Interrupting(io.BytesIO):
        """An input that removes the image and collects garbage while the import reads it."""

        done = False

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1024 and not self.done:
                self.done = True
                with Store.open(root) as other:
                    other.remove("x:1")
                    other.collect(dangling=True)
            return super().read(size)

    store.import_archive(Interrupting(data))
    assert not list(store.fsck())


def test_a_dry_run_changes_nothing_and_lists_what_would_be_removed(store: Store) -> None:
    put(store, A)
    store.remove("x:1")
    rehearsed = store.collect(dry_run=True)
    assert rehearsed.dry_run
    real = store.collect()
    assert (rehearsed.blobs, rehearsed.layers, rehearsed.freed_bytes) == (
        real.blobs,
        real.layers,
        real.freed_bytes,
    )
    assert real.freed_bytes > 0


def test_a_dry_run_takes_no_lock(store: Store, root: Path) -> None:
    put(store, A)
    store.remove("x:1")
    with store.write(), Store.open(root) as other:
        assert len(other.collect(dry_run=True).blobs) == 1


def test_a_dry_run_works_on_a_read_only_store(store: Store, root: Path) -> None:
    put(store, A)
    store.remove("x:1")
    with Store.open(root, read_only=True) as reader:
        assert len(reader.collect(dry_run=True).blobs) == 1


def test_condemning_reads_only_what_it_condemns(store: Store) -> None:
    """An interrupted collection may leave many condemned digests; no batch may read them all."""
    early, late = Digest.of(b"early"), Digest.of(b"late")
    with store.write() as connection:
        condemned.condemn(connection, [early], store.now())
        seen: list[object] = []
        engine = connection.engine
        event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        condemned.condemn(connection, [early, late, late], store.now())
        statements = [str(one) for one in seen]
    with store.read() as connection:
        assert set(condemned.next_condemned(connection, 10)) == {early, late}
    selects = [one for one in statements if one.startswith("SELECT condemned.digest")]
    assert selects
    assert all("WHERE" in one for one in selects)


def test_orphan_files_are_found_and_set_aside(store: Store, root: Path) -> None:
    orphan = root / "blobs" / "sha256" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"left over")
    assert [finding.kind for finding in store.fsck()] == ["orphan"]
    (kept,) = store.collect().kept
    assert (kept.reason, kept.size_bytes) == ("quarantined", 9)
    assert not orphan.exists()
    assert list(store.fsck()) == []


def test_dead_operations_are_swept_by_the_next_import(store: Store, root: Path) -> None:
    folder = root / "staging" / "import-0000000000000000dead"
    folder.mkdir()
    (folder / "000001").write_bytes(b"half a layer")
    put(store, A)
    assert not list((root / "staging").iterdir())


@pytest.mark.parametrize(
    "cut", [b"sha512:" + b"a" * 64, b"\0" * 71, b"\xff" * 71], ids=["a digest", "zeros", "no text"]
)
def test_a_list_cut_short_by_a_crash_is_ignored(store: Store, root: Path, cut: bytes) -> None:
    folder = root / "staging" / "import-0000000000000000dead"
    folder.mkdir()
    stray = Digest.of(b"stray")
    store.blobs.path(stray).parent.mkdir(parents=True)
    store.blobs.path(stray).write_bytes(b"stray")
    (folder / "publishing").write_bytes(f"{stray}\n".encode() + cut)
    put(store, A)
    assert not list((root / "staging").iterdir())
    assert stray not in set(store.blobs.digests())


def test_damage_is_found_and_repaired_by_importing_again(
    store: Store, save: Callable[..., bytes], tmp_path: Path
) -> None:
    put(store, A, B)
    good = save("x:1")
    digest = min(store.blobs.digests())
    damage(store.blobs.path(digest))
    target = tmp_path / "out.tar"
    with (
        pytest.raises(errors.DamagedContent),
        exporter.open_save(store, ["x:1"]) as export,
        exporter.atomic_file(target) as file,
    ):
        export.write(file)
    assert not list(tmp_path.glob("*out.tar*"))
    findings = list(store.fsck())
    assert {finding.kind for finding in findings} >= {"damaged"}
    assert any("docker.io/library/x:1" in finding.images for finding in findings)
    with pytest.raises(errors.IntegrityError):
        save("x:1")
    put(store, A, B)
    assert save("x:1") == good
    assert not list(store.fsck())


def test_a_damaged_plain_layer_is_repaired_by_an_encoding_of_it(
    store: Store, save: Callable[..., bytes]
) -> None:
    source = image(A, B, tags=("x:1",)).bytes()
    store.import_archive(io.BytesIO(source), ImportOptions(Compression.parse("none")))
    good = save("x:1")
    digest = min(store.blobs.digests())
    damage(store.blobs.path(digest))
    with pytest.raises(errors.DamagedContent):
        save("x:1")
    store.import_archive(io.BytesIO(source))
    assert save("x:1") == good
    store.collect()
    assert not list(store.fsck())
    assert save("x:1") == good


def test_a_damaged_document_is_repaired_by_importing_again(
    store: Store, save: Callable[..., bytes]
) -> None:
    put(store, A)
    good = save("x:1")
    damaged = Digest.of(config(A))
    with store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE document SET bytes = x'00' WHERE content_id = (SELECT id FROM content WHERE"
            " digest = ?)",
            (str(damaged),),
        )
    assert {finding.kind for finding in store.fsck()} >= {"damaged"}
    put(store, A)
    assert save("x:1") == good
    assert not list(store.fsck())


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_missing_file_is_found_and_repaired(store: Store, save: Callable[..., bytes]) -> None:
    put(store, A)
    good = save("x:1")
    store.blobs.remove(next(store.blobs.locations()))
    with pytest.raises(errors.ContentMissing):
        save("x:1")
    assert [finding.kind for finding in store.fsck()] != []
    put(store, A)
    assert save("x:1") == good


def many_layers(seed: int) -> bytes:
    generator = random.Random(seed)
    layers = [layer(f"f{number}", generator.randbytes(200_000)) for number in range(8)]
    return image(*layers, E, tags=(f"big:{seed}",)).bytes()


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_a_sound_store(root: Path, tmp_path: Path) -> None:
    with Store.open(root, create=True) as store:
        put(store, A, B)
        out = io.BytesIO()
        with exporter.open_save(store, ["x:1"]) as export:
            export.write(out)
    generator = random.Random(1)
    archive = tmp_path / "big.tar"
    for turn in range(KILLS):
        archive.write_bytes(many_layers(turn))
        process = subprocess.Popen(
            [sys.executable, "-m", "storectl", "--root", str(root), "import", "-q", str(archive)],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(generator.uniform(0.25, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Store.open(root) as store:
            assert [finding for finding in store.fsck() if finding.kind != "orphan"] == []
            again = io.BytesIO()
            with exporter.open_save(store, ["x:1"]) as export:
                export.write(again)
            assert again.getvalue() == out.getvalue()
    with Store.open(root) as store:
        put(store, B, tags=("last:1",))
        assert not list((root / "staging").iterdir())
        assert not list(store.fsck())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_importers_a_saver_and_a_collector_at_once(root: Path, tmp_path: Path) -> None:
    with Store.open(root, create=True) as store:
        put(store, A, B)
    archives = []
    for number in range(4):
        archives.append(tmp_path / f"{number}.tar")
        archives[-1].write_bytes(many_layers(number // 2))
    command = [sys.executable, "-m", "storectl", "--root", str(root)]
    loops = [
        *(
            f'for i in 1 2 3; do "$@" import -q {archive} >/dev/null || exit 1; done'
            for archive in archives
        ),
        f'for i in 1 2 3 4; do "$@" save -q -o {tmp_path}/saved.tar x:1 || exit 1; done',
        'for i in 1 2 3 4 5; do "$@" gc >/dev/null || exit 1; done',
    ]
    running = [
        subprocess.Popen(["/bin/sh", "-c", loop, "sh", *command], stderr=subprocess.PIPE, text=True)
        for loop in loops
    ]
    ended = [(process.communicate(timeout=1000)[1], process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * len(loops), ended
    with Store.open(root) as store:
        assert {
            reference.reference.familiar for one in store.images() for reference in one.references
        } == {"x:1", "big:0", "big:1"}
        assert not list(store.fsck())
