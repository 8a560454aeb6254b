"""`df`, a dry run and a collection agree with each other, and with the change on the disk.

``STORECTL_FUZZ=2000`` makes a long run.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Store
from store.errors import StoreError
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.images import A, B, E, image
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image, squeezed

if TYPE_CHECKING:
    from datetime import datetime

EXAMPLES: Final = int(os.environ.get("STORECTL_FUZZ", "15"))
LAYERS: Final = (A, B, E)
BLOBS: Final = (b"loose", A, squeezed(B), bytes(9000))
REPOSITORIES: Final = (APP, OTHER)
HOURS: Final = (0.0, 0.02, 0.2, 23.0, 25.0)

layers = st.lists(st.sampled_from(LAYERS), min_size=1, max_size=2, unique=True).map(tuple)
steps = st.one_of(
    st.tuples(st.just("push"), layers, st.sampled_from("12")),
    st.tuples(st.just("import"), layers, st.sampled_from(("team/app:1", "x:1", ""))),
    st.tuples(st.just("blob"), st.sampled_from(BLOBS), st.sampled_from(REPOSITORIES)),
    st.tuples(st.just("mount"), st.sampled_from(BLOBS)),
    st.tuples(st.just("head"), st.sampled_from((*BLOBS, *map(squeezed, LAYERS)))),
    st.tuples(st.just("upload"), st.integers(0, 50)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("rm"), st.integers(0, 9)),
    st.tuples(st.just("untag"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from(HOURS)),
    st.tuples(st.just("crash"), st.integers(1, 99)),
    st.tuples(st.just("orphan"), st.integers(1, 99)),
    st.tuples(st.just("cut"), st.integers(0, 9)),
    st.tuples(st.just("collect"), st.booleans(), st.booleans()),
)


@dataclass
class World:
    """A store, its registry and its clock."""

    root: Path
    now: datetime = NOW
    pushed: list[Digest] = field(default_factory=list)
    crashes: int = 0

    def __post_init__(self) -> None:
        self.store = Store.open(self.root, create=True, clock=lambda: self.now)
        self.registry = Registry(self.store)

    def names(self) -> list[str]:
        return sorted(name.familiar for name in self.store.names("", 99))

    def run(self, step: tuple[object, ...]) -> None:
        with suppress(StoreError):
            getattr(self, f"_{step[0]}")(*step[1:])

    def _push(self, chosen: tuple[bytes, ...], tag: str) -> None:
        _, digest = push_image(
            self.registry, *((layer, squeezed(layer)) for layer in chosen), tags=(tag,)
        )
        self.pushed.append(digest)

    def _import(self, chosen: tuple[bytes, ...], tag: str) -> None:
        archive = image(*chosen, tags=(tag,) if tag else ()).bytes()
        self.store.import_archive(io.BytesIO(archive))

    def _blob(self, data: bytes, repository: object) -> None:
        push_blob(self.registry, data, repository)  # type: ignore[arg-type]

    def _mount(self, data: bytes) -> None:
        self.registry.mount(OTHER, Digest.of(data), lambda _repository: True)

    def _head(self, data: bytes) -> None:
        self.registry.renew(APP, Digest.of(data))

    def _upload(self, size: int) -> None:
        with self.registry.uploads.resume(APP, self.registry.uploads.begin(APP)) as upload:
            upload.write(bytes(size))

    def _delete(self, number: int) -> None:
        if self.pushed:
            self.registry.delete_manifest(APP, self.pushed[number % len(self.pushed)])

    def _rm(self, number: int) -> None:
        if names := self.names():
            self.store.remove(names[number % len(names)], force=True)

    def _untag(self, number: int) -> None:
        if names := self.names():
            self.store.untag(str(Reference.parse(names[number % len(names)])))

    def _wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def _crash(self, size: int) -> None:
        """Leave the folder of an operation whose process has ended."""
        self.crashes += 1
        folder = self.root / "staging" / f"import-{self.crashes:020x}"
        folder.mkdir(parents=True)
        (folder / "000001").write_bytes(bytes(size))

    def _orphan(self, size: int) -> None:
        path = self.store.blobs.path(Digest.of(bytes(size)))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))

    def _cut(self, number: int) -> None:
        """Cut a file short, so that its size differs from the size in the catalogue."""
        files = sorted(self.store.blobs.digests())
        if files:
            path = self.store.blobs.path(files[number % len(files)])
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:1])

    def _collect(self, dangling: bool, end_grace: bool) -> None:
        check_collection(self, dangling=dangling, end_grace=end_grace)


def disk_bytes(root: Path) -> int:
    """Return the size of all files of a store, without its catalogue and the document log.

    The log grows and shrinks with the rows of the catalogue, which it repeats.
    """
    return sum(
        path.lstat().st_size
        for path in root.rglob("*")
        if path.is_file() and path.parent not in (root, root / "documents")
    )


def check_collection(world: World, *, dangling: bool, end_grace: bool) -> None:
    store = world.store
    usage = store.usage(each=False)
    tried = store.collect(dry_run=True, dangling=dangling, end_grace=end_grace)
    before = disk_bytes(world.root)
    done = store.collect(dangling=dangling, end_grace=end_grace)
    assert before - disk_bytes(world.root) == done.freed_bytes
    assert replace(tried, images=(), blobs=(), dry_run=False) == replace(done, images=(), blobs=())
    assert set(tried.images) == set(done.images)
    assert set(tried.blobs) == set(done.blobs)
    if not end_grace:
        assert (usage.prunable_bytes if dangling else usage.collectable_bytes) == done.freed_bytes
    again = store.collect(dangling=dangling, end_grace=end_grace)
    assert again.freed_bytes == 0
    assert again.kept == done.kept


@given(st.lists(steps, min_size=1, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_three_figures_and_the_disk_agree(
    chosen: list[tuple[object, ...]],
    dangling: bool,
    end_grace: bool,
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        world = World(folder / "store")
        with world.store:
            for step in chosen:
                world.run(step)
            check_collection(world, dangling=dangling, end_grace=end_grace)
    finally:
        shutil.rmtree(folder)
