"""A comparison of how Docker Engine and storectl load the same archives, one after another.

Docker and storectl start without images. Their messages, their images and their saves are compared.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, final

from tests.support.comparable_contents import images_of_engine
from tests.support.engine import EngineRefusal
from tests.support.saved_archives import difference, saved_images, saved_names
from tests.support.storectl_adapter import Refused, Storectl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.comparable_contents import ComparableImage
    from tests.support.engine import Engine

RENAMED = "The image "


@final
class ArchiveComparison:
    """A comparison of Docker and storectl on sequences of archives, with counts of the results."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._blank, self._root = folder / "blank", folder / "store"
        Storectl(self._blank).close()
        self.refused = 0
        self.images = 0
        self.parents = 0

    def compare(self, archives: Sequence[bytes], *, silent: bool = False) -> str | None:
        """Load ``archives`` in this order; return how Docker and storectl differ, or None.

        Args:
            archives: Docker archives. Loading ends after the first archive that both refuse.
            silent: Docker does not print what it loads (docker-archive.md §7). Only its lines about
                tags that move are compared, in any order.
        """
        self._engine.clear()
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._blank, self._root)
        with Storectl(self._root) as storectl:
            for number, archive in enumerate(archives):
                before = storectl.images()
                what, refused = self._load(storectl, archive, silent=silent)
                if what is None and refused:
                    self.refused += 1
                    after = storectl.images()
                    return (
                        None
                        if after == before
                        else (
                            f"archive {number} was refused, and changed the store: {before},"
                            f" {after}"
                        )
                    )
                what = what or _compare_states(images_of_engine(self._engine), storectl.images())
                if what is not None:
                    return f"archive {number}: {what}"
            held = storectl.images()
            self.images += len(held)
            self.parents += sum(1 for image in held.values() if image.parent)
            for names in _selections(held):
                if (what := self._compare_saves(storectl, names)) is not None:
                    return f"save {' '.join(names)}: {what}"
        return None

    def _load(self, storectl: Storectl, archive: bytes, *, silent: bool) -> tuple[str | None, bool]:
        """Load an archive; return how Docker and storectl differ, and whether both refused it."""
        messages = self._engine.load(archive)
        errors = [message["error"] for message in messages if "error" in message]
        said = "".join(message.get("stream", "") for message in messages).splitlines()
        try:
            lines = list(storectl.load(archive).lines)
        except Refused as refusal:
            return (None if errors else f"Docker loads it, storectl refuses: {refusal}"), True
        except Exception as exc:  # noqa: BLE001 - any exception is a finding
            return f"storectl breaks: {exc!r}", False
        if errors:
            return f"storectl loads it, Docker refuses: {errors[0]}", False
        if silent:
            said, lines = sorted(said), sorted(line for line in lines if line.startswith(RENAMED))
        if [line for line in said if line] != lines:
            return f"Docker says {said}, storectl {lines}", False
        return None, False

    def _compare_saves(self, storectl: Storectl, names: Sequence[str]) -> str | None:
        docker = refusal = None
        try:
            docker = self._engine.save(names)
        except EngineRefusal as exc:
            refusal = str(exc)
        try:
            ours = storectl.save(names)
        except Refused as exc:
            return f"Docker saves it, storectl refuses: {exc}" if docker is not None else None
        except Exception as exc:  # noqa: BLE001 - any exception is a finding
            return f"storectl breaks: {exc!r}"
        if docker is None:
            return f"storectl saves it, Docker refuses: {refusal}"
        if saved_images(docker) != saved_images(ours):
            return f"Docker saves {saved_images(docker)}, storectl {saved_images(ours)}"
        return difference(docker, storectl.save(saved_names(docker)))


def _selections(held: dict[str, ComparableImage]) -> Iterator[list[str]]:
    """Yield the names for each save (docker-archive.md §5).

    The first save names all images by ID and tag, the second names all repositories. The other
    saves name single images by short ID.
    """
    if not held:
        return
    yield [name for image in held.values() for name in (image.image_id, *image.tags)]
    repositories = sorted({tag.rpartition(":")[0] for image in held.values() for tag in image.tags})
    if repositories:
        yield repositories
    # One digit may be the prefix of several IDs: both have to choose the same image, or both
    # refuse.
    bare = min(held).removeprefix("sha256:")
    yield [bare[:1]]
    yield [bare[:12], max(held)[: len("sha256:") + 12]]


def _compare_states(
    docker: dict[str, ComparableImage], ours: dict[str, ComparableImage]
) -> str | None:
    if docker.keys() != ours.keys():
        return (
            f"images: only Docker has {sorted(docker.keys() - ours.keys())}, only storectl"
            f" {sorted(ours.keys() - docker.keys())}"
        )
    for image_id, held in docker.items():
        if held != ours[image_id]:
            return f"Docker holds {held}, storectl {ours[image_id]}"
    return None
