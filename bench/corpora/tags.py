"""A store in which one small image has very many names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.corpora.generated import ImageSpec, LayerSpec, write_archive
from store import Store
from store.catalog import content, naming
from store.model.references import Reference, Repository
from store.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH_SIZE: Final = 100
"""The number of repositories in one transaction."""


def write_store(path: Path, scratch: Path, *, repositories: int, tags: int) -> None:
    """Create a store in which one small image has many names.

    Args:
        path: The root of the new store.
        scratch: A folder for the archive that is imported.
        repositories: The number of repositories.
        tags: The number of tags in each repository.
    """
    archive = scratch / "named.tar"
    write_archive(archive, [ImageSpec("named:1", (LayerSpec(1, 4096),))])
    with Store.open(path, create=True) as store:
        store.import_archive(archive)
        digest = Registry(store).manifest(Repository("docker.io", "library/named"), "1").digest
        with store.read() as connection:
            key = content.find(connection, (digest,))[digest].key
        for names in _names(repositories, tags):
            with store.write("bench") as connection:
                naming.set_tags(
                    connection, dict.fromkeys(names, key), now=store.now(), operation="bench"
                )


def _names(repositories: int, tags: int) -> Iterator[list[Reference]]:
    for first in range(0, repositories, _BATCH_SIZE):
        some = [
            Repository("docker.io", f"team{number % 100:02d}/app{number:05d}")
            for number in range(first, min(first + _BATCH_SIZE, repositories))
        ]
        yield [Reference(one, f"v{number:03d}") for one in some for number in range(tags)]
