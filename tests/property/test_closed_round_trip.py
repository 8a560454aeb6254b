"""The round trip is closed: what a push took, a save writes and an import takes.

Or the save refuses it, before a byte is written and with a reason.

``make round-trip`` makes a long run; ``STORECTL_FUZZ=2000`` sets the number of examples.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
import uvloop
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

import exporter
from exporter import Format, SaveOptions
from mirror.service import MirrorSettings
from store import Store
from store.catalog import content, images, references
from store.catalog.checking import verification
from store.errors import IntegrityError, StoreError
from store.formats.image.config import ImageConfig
from store.maintenance.reports import Severity
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.references import Reference, Repository
from store.registry.registry import Registry, Sparse
from tests.conftest import NOW
from tests.support.mirror_in_process import InProcessMirror
from tests.support.odd_pushes import PROGRAMS, Program, Taken, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store.model.contents import DiffState

EXAMPLES: Final = int(os.environ.get("STORECTL_FUZZ", "25"))
SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # Each example needs two stores on disk. A long run searches, and is not derandomised.
    derandomize="STORECTL_FUZZ" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
)


class StorePusher:
    """Pushes straight into a store's registry."""

    def __init__(self, store: Store, sparse: Sparse) -> None:
        self._registry = Registry(store, sparse=sparse)

    def push_blob(self, repository: str, data: bytes, algorithm: str) -> None:
        with self._registry.uploads.once(_repository(repository)) as upload:
            upload.write(data)
            upload.finish(Digest.of(data, algorithm))

    def push_manifest(
        self, repository: str, data: bytes, *, media_type: str, algorithm: str, tag: str | None
    ) -> bool:
        try:
            self._registry.put_manifest(
                _repository(repository),
                data,
                media_type=media_type,
                digest=None if tag else Digest.of(data, algorithm),
                tags=() if tag is None else (tag,),
            )
        except StoreError:
            return False
        return True


class HttpPusher:
    """Pushes over HTTP, as a client does."""

    def __init__(self, ask: InProcessMirror) -> None:
        self._ask = ask

    def push_blob(self, repository: str, data: bytes, algorithm: str) -> None:
        digest = quote(str(Digest.of(data, algorithm)))
        path = f"/v2/{_path(repository)}/blobs/uploads/?digest={digest}"
        assert self._ask("POST", path, data).status == 201

    def push_manifest(
        self, repository: str, data: bytes, *, media_type: str, algorithm: str, tag: str | None
    ) -> bool:
        path = f"/v2/{_path(repository)}/manifests/{tag or Digest.of(data, algorithm)}"
        answer = self._ask("PUT", path, data, Content_Type=media_type)
        assert answer.status in (201, 400, 404, 413), answer.body
        return answer.status == 201


def _path(repository: str) -> str:
    return repository.removeprefix("docker.io/")


def _repository(name: str) -> Repository:
    return Reference.parse(name).repository


@contextmanager
def stores() -> Iterator[tuple[Store, Store, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        opened = [
            Store.open(Path(folder) / name, create=True, clock=lambda: NOW)
            for name in ("near", "far")
        ]
        try:
            yield opened[0], opened[1], Path(folder)
        finally:
            for one in opened:
                one.close()


def written(store: Store, names: Sequence[str], options: SaveOptions, folder: Path | None) -> bytes:
    """Save to a folder, or return the archive. Any error after the plan fails the test."""
    with exporter.open_save(store, names, options=options) as export:
        if folder is not None:
            export.write_folder(folder)
            return b""
        out = io.BytesIO()
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
        return out.getvalue()


def accepted(store: Store, taken: Sequence[Taken], options: SaveOptions) -> list[Taken]:
    """Return the documents that a save writes; each of the others is refused with a reason."""
    found = []
    for one in taken:
        refusal: StoreError | None = None
        try:
            with exporter.open_save(store, [one.name], options=options):
                found.append(one)
        except StoreError as exc:
            refusal = exc
            event(f"save refuses: {type(exc).__name__}")
        assert not isinstance(refusal, IntegrityError), refusal.message
    return found


def states(store: Store, digests: Sequence[Digest]) -> dict[Digest, DiffState]:
    with store.read() as connection:
        found = verification.manifest_states(connection, digests)
    return {digest: state for digest, (_, state) in found.items()}


def last(taken: Sequence[Taken]) -> list[Taken]:
    """Return the documents that can still be named: a later push may have moved a tag."""
    return list({one.name: one for one in taken}.values())


def carry(near: Store, far: Store, folder: Path, taken: Sequence[Taken], options: SaveOptions,
          *, as_folder: bool) -> None:  # fmt: skip
    chosen = accepted(near, last(taken), options)
    event(f"{options.format}: {'something' if chosen else 'nothing'} is saved")
    if not chosen:
        return
    names = [one.name for one in chosen]
    target = folder / "layout" if as_folder else None
    archive = written(near, names, options, target)
    far.import_archive(target or io.BytesIO(archive))
    if options.format is Format.LEGACY:
        same_images(near, far, chosen)
    else:
        same_graphs(near, far, chosen, options, archive)
    for store in (near, far):
        assert [one for one in store.fsck() if one.severity is Severity.ERROR] == []
    # A second import changes nothing.
    assert not far.import_archive(target or io.BytesIO(archive)).changed


def same_images(near: Store, far: Store, chosen: Sequence[Taken]) -> None:
    """Check that a legacy archive has carried the images, their layers and their tags."""
    with exporter.open_save(near, [one.name for one in chosen]) as export:
        wanted = set(export.images)
    with far.read() as connection:
        assert set(images.keys_of(connection, wanted)) == wanted
        names = {Reference.parse(one.name) for one in chosen if one.tag is not None}
        tags = references.get_all(connection, names)
        assert set(tags) == names
        assert {target.image_id for target in tags.values()} <= wanted
    for image_id in wanted:
        config = near.read_whole(image_id.digest)
        assert far.read_whole(image_id.digest) == config
        for diff in ImageConfig.parse(config).diff_ids:
            far.read_whole(diff.digest)


def same_graphs(
    near: Store, far: Store, chosen: Sequence[Taken], options: SaveOptions, archive: bytes
) -> None:
    """Check that an archive has carried every document and blob, and all names."""
    with exporter.open_save(near, [one.name for one in chosen], options=options) as export:
        assert export.graph is not None
        documents, blobs = export.graph.documents, list(export.graph.sources)
    for one in chosen:
        if one.tag is not None:
            here = Registry(near).manifest(_repository(one.repository), one.tag)
            there = Registry(far).manifest(_repository(one.repository), one.tag)
            assert (here.digest, here.media_type, here.data) == (
                there.digest,
                there.media_type,
                there.data,
            )
    with far.read() as connection:
        known = content.find(connection, [*documents, *blobs])
    for digest in [*documents, *blobs]:
        assert known[digest].state is ContentState.PRESENT
        assert far.read_whole(digest) == near.read_whole(digest)
    assert states(near, list(documents)) == states(far, list(documents))
    if archive:
        tags = [one.name for one in chosen if one.tag is not None]
        if len(tags) == len(chosen):
            assert written(far, tags, options, None) == archive


FORMATS = st.sampled_from((Format.LEGACY, Format.DOCKER, Format.DOCKER, Format.OCI, Format.OCI))


@SETTINGS
@given(
    program=PROGRAMS,
    format_=FORMATS,
    sparse=st.booleans(),
    referrers=st.booleans(),
    lax=st.booleans(),
    as_folder=st.booleans(),
)
def test_what_a_push_took_comes_back_or_is_refused_by_name(
    *, program: Program, format_: Format, sparse: bool, referrers: bool, lax: bool, as_folder: bool
) -> None:
    with stores() as (near, far, folder):
        taken = run(program, StorePusher(near, Sparse.BLOBS if lax else Sparse.INDEXES))
        is_graph = format_ is not Format.LEGACY
        options = SaveOptions(format_, sparse=is_graph and sparse, referrers=is_graph and referrers)
        carry(near, far, folder, taken, options, as_folder=as_folder and format_ is Format.OCI)


@settings(SETTINGS, max_examples=max(5, EXAMPLES // 20))
@given(program=PROGRAMS, format_=FORMATS)
def test_what_a_client_pushed_over_http_comes_back_or_is_refused_by_name(
    program: Program, format_: Format
) -> None:
    with stores() as (near, far, folder):
        with InProcessMirror(near, MirrorSettings(), uvloop.new_event_loop) as ask:
            taken = run(program, HttpPusher(ask))
        carry(near, far, folder, taken, SaveOptions(format_), as_folder=False)


@pytest.mark.parametrize("format_", list(Format))
def test_the_closed_round_trip_has_something_to_carry(format_: Format) -> None:
    """Check that the property is not empty: many of the drawn pushes can be saved."""
    carried = 0

    @settings(max_examples=40, database=None, derandomize=True, phases=[Phase.generate])
    @given(program=PROGRAMS)
    def count(program: Program) -> None:
        nonlocal carried
        with stores() as (near, _, _folder):
            taken = run(program, StorePusher(near, Sparse.INDEXES))
            carried += bool(accepted(near, last(taken), SaveOptions(format_)))

    count()
    assert carried > (0 if format_ is Format.LEGACY else 10)
