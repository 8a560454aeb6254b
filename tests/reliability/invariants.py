"""What every store must be after a fault: it opens, and what it shows is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from store import Store
from store.model.digests import Digest
from store.model.references import Repository
from store.queries.results import ImageFilter
from store.registry.registry import Registry
from store.workspace.workspace import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LATER: Final = timedelta(days=9)
"""Longer than every grace period: pushed blobs, idle uploads, files in quarantine."""

OLD_CATALOGUE: Final = "-catalogue"
"""How the name of a folder in quarantine ends that a rescue has filled. It is never removed."""

LEFTOVERS: Final = ("staging", "uploads", "quarantine")


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What a store shows to its users: tags, images and what its repositories hold.

    Attributes:
        facts: A line for each fact; equal lines mean equal content, because digests name it.
    """

    facts: frozenset[str]


def observe(root: Path) -> Seen:
    """Return what the store shows, after every byte of it was read.

    Raises:
        AssertionError: Something that the store shows cannot be read, or has wrong bytes.
        StoreError: The store cannot be opened.
    """
    with Store.open(root) as store:
        return seen_in(store)


def seen_in(store: Store) -> Seen:
    """Return what an opened store shows, after every byte of it was read.

    Raises:
        AssertionError: Something that the store shows cannot be read, or has wrong bytes.
    """
    facts: set[str] = set()
    registry = Registry(store)
    for image in store.each_image(ImageFilter(include_intermediate=True)):
        facts.add(f"image {image.image_id}")
    for repository in registry.repositories(after="", limit=1000):
        facts |= _held(store, registry, repository)
    return Seen(frozenset(facts))


def _held(store: Store, registry: Registry, repository: Repository) -> set[str]:
    facts = set()
    for tag in registry.tags(repository):
        served = registry.manifest(repository, tag)
        facts.add(f"tag {repository.familiar}:{tag} {served.digest}")
        read_all(store, registry, repository, served.digest)
    for reference in store.digests(repository):
        assert reference.digest is not None
        facts.add(f"held {repository.familiar} {reference.digest}")
        read_all(store, registry, repository, reference.digest)
    return facts


def read_all(store: Store, registry: Registry, repository: Repository, digest: Digest) -> None:
    """Read a manifest and everything below it, and compare each digest.

    Raises:
        AssertionError: Bytes are missing or wrong.
    """
    data = registry.manifest(repository, digest).data
    assert Digest.of(data, digest.algorithm) == digest, f"{digest}: wrong bytes"
    document = json.loads(data)
    for child in document.get("manifests", ()):
        read_all(store, registry, repository, Digest.parse(child["digest"]))
    config = [document["config"]] if "config" in document else []
    with store.reader() as reader:
        for link in (*config, *document.get("layers", ())):
            if link.get("urls"):
                continue
            wanted = Digest.parse(link["digest"])
            found = b"".join(reader.chunks(registry.blob(repository, wanted)))
            assert Digest.of(found, wanted.algorithm) == wanted, f"{wanted}: wrong bytes"


def require_readable(store: Store, promises: Iterable[str]) -> None:
    """Check that every blob is served that a client was told to be stored.

    Args:
        store: The opened store.
        promises: Lines of the form ``blob REPOSITORY DIGEST``.

    Raises:
        AssertionError: A blob is missing, or has wrong bytes.
    """
    registry = Registry(store)
    with store.reader() as reader:
        for promise in promises:
            _, name, digest = promise.split(" ")
            wanted = Digest.parse(digest)
            blob = registry.blob(Repository.parse(name), wanted)
            found = b"".join(reader.chunks(blob))
            assert Digest.of(found, wanted.algorithm) == wanted, f"{promise}: wrong bytes"


def require_sound(store: Store) -> None:
    """Check that `fsck` finds nothing but files without a row.

    Raises:
        AssertionError: There is damage.
    """
    findings = [one for one in store.fsck() if one.kind != "orphan"]
    assert not findings, f"fsck finds {findings}"


def collected(root: Path) -> Seen:
    """Collect long after a fault, check that nothing is left of it, and return what is shown.

    Raises:
        AssertionError: A file is left that no row names, or `fsck` finds something.
    """
    with Store.open(root, clock=lambda: utc_now() + LATER) as store:
        uploads = Registry(store).uploads
        uploads.expire()
        uploads.remove_strays()
        store.collect()
        findings = list(store.fsck())
        assert not findings, f"fsck finds {findings} after a collection"
        seen = seen_in(store)
    if any(name.startswith("quarantine/") for name in _left(root)):
        with Store.open(root, clock=lambda: utc_now() + 2 * LATER) as store:
            store.collect()
    left = _left(root)
    assert not left, f"left after a collection: {left}"
    return seen


def _left(root: Path) -> list[str]:
    """Return the files that a collection should remove some day."""
    return [
        str(path.relative_to(root))
        for name in LEFTOVERS
        for path in (root / name).rglob("*")
        if not path.is_dir() and not path.parent.name.endswith(OLD_CATALOGUE)
    ]


def require_whole_layout(files: Mapping[str, bytes]) -> None:
    """Check that a layout has every blob that its ``index.json`` leads to.

    Args:
        files: The bytes of every file by its path; without ``index.json`` there is no layout.

    Raises:
        AssertionError: A blob is missing, or has wrong bytes.
    """
    waiting = [json.loads(files["index.json"])] if "index.json" in files else []
    while waiting:
        document = waiting.pop()
        config = [document["config"]] if "config" in document else []
        for link in (*document.get("manifests", ()), *config, *document.get("layers", ())):
            wanted = Digest.parse(link["digest"])
            data = files[f"blobs/{wanted.algorithm}/{wanted.hex}"]
            assert Digest.of(data, wanted.algorithm) == wanted, f"{wanted}: wrong bytes"
            if link in document.get("manifests", ()):
                waiting.append(json.loads(data))
