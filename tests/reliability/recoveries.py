"""The operations that keep a store, and bring one back: checks, backups, repairs and rescues."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Final, final

from mirror.verification import Verification
from store import Store
from store.errors import StoreError
from store.model.digests import Digest
from store.registry.registry import Registry
from storectl.output.exit_codes import ExitCode
from tests.reliability.operation import Operation, Place, command
from tests.support.images import A, B, layer
from tests.support.old_stores import older_store
from tests.support.registry_pushes import APP, image_manifest, push_blob, push_image, squeezed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store import ImageID
    from store.model.contents import DiffState
    from tests.reliability.operation import Tell

_OLDEST: Final = "0001"
_PAGE_BYTES: Final = 4096


def run(place: Place, *arguments: str) -> int:
    """Run a command on the store; return its exit code."""
    return command(*arguments)(place, lambda _: None)


# --- damage and loss ------------------------------------------------------------------------------


def damage_what_is_known(place: Place) -> None:
    """Change a bit in each blob that ``known.tar`` brings, and let `fsck` find that."""
    with Store.open(place.archives / "reference", create=True) as reference:
        reference.import_archive(place.archives / "known.tar")
        digests = list(reference.blobs.digests())
    shutil.rmtree(place.archives / "reference")
    with Store.open(place.root) as store:
        for digest in digests:
            path = store.blobs.path(digest)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(data)
        assert list(store.fsck())


def lose_the_catalogue(place: Place) -> None:
    """Remove ``store.db``, with its log."""
    for path in place.root.glob("store.db*"):
        path.unlink()


def damage_the_catalogue(place: Place) -> None:
    """Overwrite two pages of tables."""
    with closing(sqlite3.connect(place.root / "store.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = [
            row[0]
            for row in connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name IN ('content', 'reference')"
            )
        ]
    assert len(pages) == 2, pages
    with (place.root / "store.db").open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * _PAGE_BYTES)
            file.write(b"\xa5" * _PAGE_BYTES)


# --- backups --------------------------------------------------------------------------------------


def back_up(place: Place, target: str) -> None:
    """Make a backup below ``place.out``."""
    assert run(place, "backup", "-q", f"{{out}}/{target}") == 0


def back_up_once(place: Place) -> None:
    """Make a backup, and change the store afterwards."""
    back_up(place, "backup")
    with Store.open(place.root) as store:
        store.import_archive(place.archives / "docker.tar")


def back_up_and_lose(place: Place, target: str = "backup") -> None:
    """Make a backup, and lose the store."""
    back_up(place, target)
    shutil.rmtree(place.root)


def verify(place: Place, target: str = "backup") -> None:
    """Check every byte of a backup."""
    assert run(place, "backup", "-q", "--verify", f"{{out}}/{target}") == 0


# --- the schema -----------------------------------------------------------------------------------


def make_old(place: Place) -> None:
    """Give the store the schema of the first release, and only the files that it had."""
    full = place.root.with_name("full")
    place.root.rename(full)
    older_store(full, place.root, _OLDEST, full.with_name("scripts"))
    for path in (full, full.with_name("scripts"), place.root / "documents"):
        shutil.rmtree(path)
    assert Store.schema_state(place.root).current == _OLDEST


def require_upgraded(place: Place) -> None:
    """Check the tables, and that each copy of the old database is whole."""
    assert Store.check_schema(place.root) == ()
    names = sorted(path.name for path in place.root.glob("store.db.*"))
    copies = [name for name in names if name.endswith(".bak")]
    assert copies, names
    assert [name for name in names if "partial" in name] == []
    for name in copies:
        with closing(sqlite3.connect(place.root / name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            assert found == [(_OLDEST,)], found


# --- the verification in the background -----------------------------------------------------------


def push_unverified(place: Place) -> None:
    """Push an image with gzip layers, and one that lists its layer by a sha512 digest."""
    with Store.open(place.root) as store:
        registry = Registry(store)
        push_image(registry, (A, squeezed(A)), (B, squeezed(B)), tags=("gzip",))
        push_blob(registry, PLAIN, algorithm="sha512")
        config, manifest = image_manifest((PLAIN, PLAIN))
        push_blob(registry, config)
        known, stated = (str(Digest.of(PLAIN, name)).encode() for name in ("sha256", "sha512"))
        before, _, after = manifest.rpartition(known)
        registry.put_manifest(
            APP, before + stated + after, media_type="", digest=None, tags=("sha512",)
        )


PLAIN: Final = layer("plain", b"listed with its sha512 digest\n")


@final
class _Counting:
    """A store that says when all images were verified, or could not be.

    Args:
        store: The store.
        count: The number of images.
        on_end: Called when that many attempts have ended.
    """

    def __init__(self, store: Store, count: int, on_end: Callable[[], object]) -> None:
        self._store = store
        self._left = count
        self._on_end = on_end

    def _end(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._on_end()

    def needs_verification(self, image_id: ImageID) -> bool:
        is_needed = False
        try:
            is_needed = self._store.needs_verification(image_id)
        finally:
            if not is_needed:
                self._end()
        return is_needed

    def verify_image(self, image_id: ImageID, *, is_stopped: Callable[[], bool]) -> DiffState:
        try:
            return self._store.verify_image(image_id, is_stopped=is_stopped)
        finally:
            self._end()


def verify_images(place: Place, _tell: Tell) -> int:
    """Verify pushed images as a server does in the background."""
    logging.basicConfig(level=logging.WARNING)
    try:
        with Store.open(place.root) as store:
            waiting = store.unverified_images(limit=100)
            if waiting:
                asyncio.run(_verify(store, waiting))
            left = any(store.needs_verification(image_id) for image_id, _ in waiting)
    except StoreError as exc:
        print(f"cannot serve: {exc}")  # noqa: T201 - the output is checked
        return ExitCode.UNAVAILABLE
    return ExitCode.UNAVAILABLE if left else ExitCode.OK


async def _verify(store: Store, waiting: Sequence[tuple[ImageID, str]]) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    counting = _Counting(store, len(waiting), lambda: loop.call_soon_threadsafe(ended.set))
    with ThreadPoolExecutor(1) as reads, ThreadPoolExecutor(2) as verifiers:
        verification = Verification(counting, reads, verifiers)  # type: ignore[arg-type]
        for image_id, repository in waiting:
            verification.queue(repository, image_id)
        task = asyncio.create_task(verification.run(resume=False))
        await ended.wait()
        task.cancel()
        await asyncio.wait((task,))


# --- the operations -------------------------------------------------------------------------------

ENDED: Final = frozenset({0, 6})
"""Exit codes of a repetition that finds a sound store, and leaves it as it is."""

RECOVERIES: Final = (
    Operation("scrub", command("scrub", "-q")),
    Operation(
        "fsck --repair",
        command("fsck", "-q", "--repair", "--from", "{in}/known.tar"),
        prepare=damage_what_is_known,
        is_healing=True,
        is_restoring=True,
    ),
    Operation("backup", command("backup", "-q", "{out}/backup"), check=verify),
    Operation(
        "backup again",
        command("backup", "-q", "--keep", "1", "{out}/backup"),
        prepare=back_up_once,
        check=verify,
    ),
    Operation(
        "backup to a file",
        command("backup", "-q", "{out}/backup.tar"),
        check=lambda place: verify(place, "backup.tar"),
    ),
    Operation(
        "restore",
        command("restore", "-q", "{out}/backup"),
        prepare=back_up_and_lose,
        done_codes=ENDED,
        is_restoring=True,
    ),
    Operation(
        "restore a file",
        command("restore", "-q", "{out}/backup.tar"),
        prepare=lambda place: back_up_and_lose(place, "backup.tar"),
        done_codes=ENDED,
        is_restoring=True,
    ),
    Operation(
        "rescue",
        command("rescue", "-q"),
        prepare=lose_the_catalogue,
        done_codes=ENDED,
        is_restoring=True,
    ),
    Operation(
        "rescue from damage",
        command("rescue", "-q"),
        prepare=damage_the_catalogue,
        done_codes=ENDED,
        is_healing=True,
        is_restoring=True,
    ),
    Operation(
        "db upgrade",
        command("db", "upgrade"),
        prepare=make_old,
        is_restoring=True,
        check=require_upgraded,
    ),
    Operation("verify images", verify_images, prepare=push_unverified),
)
