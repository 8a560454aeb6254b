"""Every interleaving of a collector with a writer or a saver, write unit by write unit.

docs/adr/0005-unlink-inside-a-write-transaction.md explains the collector. The simpler protocols of
this module lose blobs in some interleavings, and the tests show these losses.
"""

from __future__ import annotations

import io
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import exporter
from store import Store, errors
from store.blobs.directory import DirectoryBlobs
from store.catalog import content
from store.catalog.collection import condemned, garbage
from store.catalog.collection.grace import Grace
from store.maintenance.reports import Severity
from store.workspace.file_locks import STAGING
from store.workspace.operations import PUBLISHING
from tests.support.images import A, B, config, digest, image
from tests.support.images import Archive as Tar
from tests.support.stepped_threads import Actor, drive, gated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.model.digests import Digest
    from tests.support.stepped_threads import Gate, Work

    Protocol = Callable[[Store, Gate], object]

WHOLE = image(A, B, tags=("new:1",)).bytes()
RELYING = (
    Tar()
    .file("b", B)
    .file("c", config(A, B))
    .manifest({"Config": "c", "RepoTags": ["new:1"], "Layers": ["a", "b"]})
    .bytes()
)
"""An archive of the same image without layer A; the store has to hold that layer already."""


@pytest.fixture(autouse=True)
def _untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no import hash the copied files again: that would add a write unit to each import."""
    monkeypatch.setattr(DirectoryBlobs, "is_touched", lambda *_: False)


# --- protocols ------------------------------------------------------------------------------------


def real(store: Store, _gate: Gate) -> None:
    store.collect(dangling=True)


def _forget_rows(store: Store) -> list[Digest]:
    """Delete all unneeded rows in one write unit; return the digests whose rows are gone."""
    gone: list[Digest] = []
    with store.write("rows") as connection:
        while garbage.delete_layers(connection, garbage.dead_layers(connection)):
            pass
        while dead := garbage.dead_contents(connection, Grace.none(store.now())):
            gone.extend(
                name
                for name, _ in garbage.delete_contents(
                    connection, dead, Grace.none(store.now()), now=store.now()
                )[1]
            )
        condemned.forget(connection, gone)
    return gone


def commit_then_unlink(store: Store, gate: Gate) -> None:
    """Delete the rows, commit, then unlink the files: the simplest protocol."""
    for name in _forget_rows(store):
        gate("unlink")
        store.blobs.remove(store.blobs.location(name))


def look_then_unlink(store: Store, gate: Gate) -> None:
    """Delete the rows and commit; then unlink each file that still has no row, without a lock."""
    for name in _forget_rows(store):
        gate("look")
        with store.read() as connection:
            again = content.has_blob_row(connection, name)
        gate("unlink")
        if not again:
            store.blobs.remove(store.blobs.location(name))


def unlink_orphans_as_listed(store: Store, gate: Gate) -> None:
    """List files without a row, then unlink them."""
    gate("list")
    with store.read() as connection:
        orphans = [
            name for name in store.blobs.digests() if not content.has_blob_row(connection, name)
        ]
    for name in orphans:
        gate("unlink")
        store.blobs.remove(store.blobs.location(name))


def sweep_without_a_transaction(store: Store, gate: Gate) -> None:
    """Remove the files that a dead operation announced and that no row names."""
    gate("list")
    folder = store.root / STAGING / "import-0000000000000000dead"
    with suppress(FileNotFoundError), store.read() as connection:
        announced = [
            name for name in store.blobs.digests() if str(name) in (folder / PUBLISHING).read_text()
        ]
        orphans = [name for name in announced if not content.has_blob_row(connection, name)]
        gate("unlink")
        for name in orphans:
            store.blobs.remove(store.blobs.location(name))
        shutil.rmtree(folder)


# --- the stage --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def removed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store whose only image is removed and whose blobs wait for the collector."""
    root = tmp_path_factory.mktemp("removed") / "store"
    with Store.open(root, create=True) as store:
        store.import_archive(io.BytesIO(image(A, B, tags=("old:1",)).bytes()))
        store.remove("old:1")
    return root


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tagged") / "store"
    with Store.open(root, create=True) as store:
        store.import_archive(io.BytesIO(image(A, B, tags=("old:1",)).bytes()))
    return root


@pytest.fixture(scope="module")
def orphaned(tagged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with blob files that no row names."""
    root = tmp_path_factory.mktemp("orphaned") / "store"
    Store.open(root, create=True).close()
    shutil.copytree(tagged / "blobs", root / "blobs", dirs_exist_ok=True)
    return root


@pytest.fixture(scope="module")
def died_publishing(orphaned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store left by an import that died between its renames and its commit."""
    root = tmp_path_factory.mktemp("died") / "store"
    shutil.copytree(orphaned, root)
    folder = root / STAGING / "import-0000000000000000dead"
    folder.mkdir()
    with Store.open(root) as store:
        (folder / PUBLISHING).write_text("".join(f"{name}\n" for name in store.blobs.digests()))
    return root


def importing(root: Path, archive: bytes) -> Work:
    def work(gate: Gate) -> object:
        with Store.open(root) as store:
            return gated(store, gate).import_archive(io.BytesIO(archive))

    return work


def collecting(root: Path, protocol: Protocol) -> Work:
    def work(gate: Gate) -> None:
        with Store.open(root) as store:
            protocol(gated(store, gate), gate)

    return work


def saving(root: Path) -> Work:
    def work(gate: Gate) -> bytes:
        out = io.BytesIO()
        over = False

        def unless_over(step: str) -> None:
            # The steps after the last byte (the operation's end, the event) have nothing to lose.
            if not over:
                gate(step)

        with (
            Store.open(root) as store,
            exporter.open_save(gated(store, unless_over), ["old:1"]) as export,
        ):
            gate("write out")
            export.write(out)
            over = True
        return out.getvalue()

    return work


def removing(root: Path) -> Work:
    def work(gate: Gate) -> None:
        with Store.open(root) as store:
            gated(store, gate).remove("old:1")
            store.collect(dangling=True)

    return work


def run_every(
    template: Path,
    tmp_path: Path,
    one: Callable[[Path], Work],
    other: Callable[[Path], Work],
    judge: Callable[[Store, Actor, Actor], str],
) -> list[str]:
    """Run every interleaving, each on its own store.

    Return one line for each interleaving that lost something.
    """
    wrong = []
    order: tuple[bool, ...] | None = ()
    number = 0
    while order is not None:
        root = shutil.copytree(template, tmp_path / str(number))
        run = drive(one(root), other(root), order)
        with Store.open(root) as store:
            problem = judge(store, *run.actors)
        if problem:
            wrong.append(f"{''.join('W' if first else 'C' for first in run.order)}: {problem}")
        shutil.rmtree(root)
        order = run.next_order()
        number += 1
    assert number >= 3  # one step and two steps already have three orders
    return wrong


def sound_image(store: Store, writer: Actor, collector: Actor) -> str:
    """Return what is wrong with the imported image or the store, or an empty text."""
    assert collector.error is None, collector.error
    if isinstance(writer.error, errors.MissingLayers):
        # A layer that the archive relied on was collected before the import looked for it. The
        # import reports it and changes nothing.
        return "half done" if store.images() or _faults(store) else ""
    assert writer.error is None, writer.error
    out = io.BytesIO()
    try:
        with exporter.open_save(store, ["new:1"]) as export:
            export.write(out)
    except errors.StoreError as exc:
        return exc.message
    return (
        ""
        if A in out.getvalue() and B in out.getvalue() and not _faults(store)
        else "the image is not what it was"
    )


def _faults(store: Store) -> list[str]:
    return [finding.message for finding in store.fsck() if finding.severity is Severity.ERROR]


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("archive", [WHOLE, RELYING], ids=["brings all", "relies on a layer"])
def test_content_stored_again_while_it_is_collected_is_never_lost(
    archive: bytes, removed: Path, tmp_path: Path
) -> None:
    wrong = run_every(
        removed,
        tmp_path,
        lambda root: importing(root, archive),
        lambda root: collecting(root, real),
        sound_image,
    )
    assert wrong == []


@pytest.mark.parametrize("protocol", [commit_then_unlink, look_then_unlink])
def test_simpler_collectors_lose_blobs(protocol: Protocol, removed: Path, tmp_path: Path) -> None:
    wrong = run_every(
        removed,
        tmp_path,
        lambda root: importing(root, WHOLE),
        lambda root: collecting(root, protocol),
        sound_image,
    )
    assert any("missing" in problem for problem in wrong)


def test_orphans_that_are_published_meanwhile_stay(orphaned: Path, tmp_path: Path) -> None:
    assert (
        run_every(
            orphaned,
            tmp_path,
            lambda root: importing(root, WHOLE),
            lambda root: collecting(root, real),
            sound_image,
        )
        == []
    )


def test_orphans_unlinked_as_listed_lose_blobs(orphaned: Path, tmp_path: Path) -> None:
    wrong = run_every(
        orphaned,
        tmp_path,
        lambda root: importing(root, WHOLE),
        lambda root: collecting(root, unlink_orphans_as_listed),
        sound_image,
    )
    assert any("missing" in problem for problem in wrong)


def test_a_dead_operation_is_swept_while_another_publishes_the_same(
    died_publishing: Path, tmp_path: Path
) -> None:
    assert (
        run_every(
            died_publishing,
            tmp_path,
            lambda root: importing(root, WHOLE),
            lambda root: collecting(root, real),
            sound_image,
        )
        == []
    )


def test_two_operations_publish_the_same(died_publishing: Path, tmp_path: Path) -> None:
    wrong = run_every(
        died_publishing,
        tmp_path,
        lambda root: importing(root, WHOLE),
        lambda root: importing(root, image(B, A).bytes()),
        sound_image,
    )
    assert wrong == []


def test_sweeping_without_a_transaction_loses_blobs(died_publishing: Path, tmp_path: Path) -> None:
    def alone(root: Path) -> Work:
        def work(gate: Gate) -> None:
            with Store.open(root) as store:
                sweep_without_a_transaction(store, gate)

        return work

    wrong = run_every(
        died_publishing, tmp_path, lambda root: importing(root, WHOLE), alone, sound_image
    )
    assert any("missing" in problem for problem in wrong)


def whole_or_refused(expected: bytes) -> Callable[[Store, Actor, Actor], str]:
    def judge(store: Store, saver: Actor, remover: Actor) -> str:
        assert remover.error is None, remover.error
        if _faults(store):
            return "the store is not sound"
        if isinstance(saver.error, errors.NotFound) and "write out" not in saver.steps:
            return ""
        return "" if saver.error is None and saver.result == expected else f"{saver.error!r}"

    return judge


def test_a_save_is_whole_or_refused_while_its_image_is_removed_and_collected(
    tagged: Path, tmp_path: Path
) -> None:
    alone = drive(saving(tagged), lambda _gate: None).actors[0]
    assert isinstance(alone.result, bytes)
    assert digest(A).removeprefix("sha256:").encode() in alone.result
    assert run_every(tagged, tmp_path, saving, removing, whole_or_refused(alone.result)) == []
