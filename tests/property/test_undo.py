"""Any change of a tag can be rolled back, and any rollback too: the former state is exact.

``STORECTL_FUZZ=2000`` makes a long run.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import exporter
from exporter.options import Format, SaveOptions
from store import Store
from store.catalog.lists import tag_changes
from store.errors import StoreError
from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.registry import Registry
from store.undo.rollback import rollback
from tests.conftest import NOW
from tests.support.images import A, B, E, image
from tests.support.layouts import EMPTY, MANIFEST, Layout, encode, gzip, plain
from tests.support.registry_pushes import push_blob, push_image, squeezed

if TYPE_CHECKING:
    from datetime import datetime

EXAMPLES: Final = int(os.environ.get("STORECTL_FUZZ", "10"))
TAGS: Final = ("team/app:1", "team/app:2", "team/other:1", "x:1")

LAYERS: Final = (A, B, E)
layers = st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True).map(tuple)
steps = st.one_of(
    st.tuples(st.just("push"), layers, st.sampled_from("12")),
    st.tuples(st.just("import"), layers, st.sampled_from(TAGS)),
    st.tuples(st.just("index"), st.booleans(), st.sampled_from(TAGS)),
    st.tuples(st.just("sign"), st.integers(0, 9)),
    st.tuples(st.just("tag"), st.integers(0, 9), st.sampled_from(TAGS)),
    st.tuples(st.just("rm"), st.integers(0, 9)),
    st.tuples(st.just("untag"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("back"), st.sampled_from(TAGS)),
)


@dataclass(frozen=True)
class State:
    """What a tag gives: its manifest, the bytes of its archive, and the referrers."""

    digest: Digest
    archive: str
    referrers: frozenset[Digest]

    def is_again(self, now: State | None) -> bool:
        return now is not None and (now.digest, now.archive) == (self.digest, self.archive)


@dataclass
class World:
    """A store, its registry, and its states at earlier times."""

    root: Path
    now: datetime = NOW
    states: dict[datetime, dict[str, State | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store.open(self.root, create=True, clock=lambda: self.now)
        self.registry = Registry(self.store)
        self.remember()

    def remember(self) -> None:
        self.states[self.now] = {tag: self.state(tag) for tag in TAGS}

    def names(self) -> list[str]:
        return sorted(name.familiar for name in self.store.names("", 99))

    def run(self, step: tuple[object, ...]) -> None:
        self.now += timedelta(seconds=1)
        with suppress(StoreError):
            getattr(self, f"_{step[0]}")(*step[1:])
        self.remember()

    def state(self, tag: str) -> State | None:
        """Return everything that a user can get by a tag; None if there is no such tag."""
        name = Reference.parse(tag)
        if name.familiar not in self.names():
            return None
        digest = self.registry.manifest(name.repository, str(name.tag)).digest
        options = SaveOptions(format=Format.OCI, sparse=True)
        saved = io.BytesIO()
        with exporter.open_save(self.store, (tag,), options=options) as export:
            export.write(saved)
        referrers = self.registry.referrers(
            name.repository, digest, artifact_type=None, after="", limit=99
        )
        return State(
            digest,
            hashlib.sha256(saved.getvalue()).hexdigest(),
            frozenset(one.digest for one in referrers),
        )

    def touched(self) -> set[str]:
        """Return the tags that have changed at any time."""
        with self.store.read() as connection:
            return {
                tag
                for tag in TAGS
                if tag_changes.changes(connection, Reference.parse(tag), limit=1)
            }

    def check(self, tag: str, former: State | None) -> None:
        """Compare a state with a former one; referrers may have come and gone since then."""
        state = self.state(tag)
        assert (state is None) if former is None else former.is_again(state), (tag, former, state)

    def _push(self, chosen: tuple[int, ...], tag: str) -> None:
        blobs = [(LAYERS[one], squeezed(LAYERS[one])) for one in chosen]
        push_image(self.registry, *blobs, tags=(tag,))

    def _import(self, chosen: tuple[int, ...], tag: str) -> None:
        archive = image(*(LAYERS[one] for one in chosen), tags=(tag,)).bytes()
        self.store.import_archive(io.BytesIO(archive))

    def _index(self, is_sparse: bool, tag: str) -> None:
        layout = Layout()
        arm = layout.image(B, platform="linux/arm64")
        parts = (layout.image(plain(A), gzip(B)), layout.absent() if is_sparse else arm)
        layout.root(layout.index(*parts), str(Reference.parse(tag)))
        self.store.import_archive(io.BytesIO(layout.tar()))

    def _sign(self, number: int) -> None:
        names = self.names()
        name = Reference.parse(names[number % len(names)]) if names else None
        if name is None:
            return
        served = self.registry.manifest(name.repository, str(name.tag))
        push_blob(self.registry, b"{}", name.repository)
        empty = {"mediaType": EMPTY, "digest": str(Digest.of(b"{}")), "size": 2}
        subject = {
            "mediaType": served.media_type,
            "digest": str(served.digest),
            "size": len(served.data),
        }
        members = {"config": empty, "layers": [], "artifactType": "a/b", "subject": subject}
        signature = encode({"schemaVersion": 2, "mediaType": MANIFEST, **members})
        self.registry.put_manifest(
            name.repository, signature, media_type=MANIFEST, digest=None, tags=()
        )

    def _tag(self, number: int, tag: str) -> None:
        if names := self.names():
            self.store.tag(names[number % len(names)], tag)

    def _rm(self, number: int) -> None:
        if names := self.names():
            self.store.remove(names[number % len(names)], force=True)

    def _untag(self, number: int) -> None:
        if names := self.names():
            self.store.untag(names[number % len(names)])

    def _delete(self, number: int) -> None:
        if names := self.names():
            name = Reference.parse(names[number % len(names)])
            self.registry.delete_tag(name.repository, str(name.tag))

    def _back(self, tag: str) -> None:
        rollback(self.store, (tag,))


@given(st.lists(steps, min_size=1, max_size=7))
@settings(max_examples=EXAMPLES, phases=[Phase.generate])
def test_a_rollback_gives_exactly_the_former_state(chosen: list[tuple[object, ...]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        world = World(folder / "store")
        with world.store:
            for step in chosen:
                before = world.states[world.now]
                world.run(step)
                after = world.states[world.now]
                changed = [tag for tag in TAGS if before[tag] != after[tag]]
                if step[0] == "sign" or not changed:
                    continue
                # A rollback, and a rollback of the rollback.
                for state in (before, after):
                    world.now += timedelta(seconds=1)
                    rollback(world.store, changed)
                    assert {tag: world.state(tag) for tag in TAGS} == state
                world.remember()
            for moment, state in list(world.states.items()):
                world.now += timedelta(seconds=1)
                known = [tag for tag in TAGS if tag in world.touched()]
                rollback(world.store, known, to=moment)
                for tag in TAGS:
                    world.check(tag, state[tag])
            errors = [one for one in world.store.fsck() if one.severity is Severity.ERROR]
            assert errors == []
    finally:
        shutil.rmtree(folder)
