"""Arguments that name an archive or a folder: for `images`, `inspect` and `history`."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from storectl.output import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.model.digests import ImageID
    from store.model.platforms import PlatformChoice
    from store.previews.preview import Preview
    from store.queries.details import ImageDetails

TRANSPORTS: Final = ("docker-archive", "oci", "oci-archive", "dir")
"""The prefixes of skopeo and podman for archives and folders."""

_SHOWN: Final = 5
"""The most names of images in an error."""


@final
@dataclass(frozen=True, slots=True)
class ArchiveArgument:
    """An argument that names an archive.

    Attributes:
        path: The file or folder.
        image: The name of one image in the archive; empty for all images.
    """

    path: Path
    image: str

    def read(self, platforms: PlatformChoice, *, with_notes: bool = True) -> Preview:
        """Return the content of the archive; no store is opened, and none is needed.

        Args:
            platforms: The image that the name of an index stands for.
            with_notes: Whether to print the notes of an import.

        Raises:
            InvalidInput: An import would refuse the archive, or it has no such image.
        """
        from store import Choice  # noqa: PLC0415 - `--help` does without
        from store.model.limits import DEFAULT_LIMITS  # noqa: PLC0415
        from store.previews.preview import preview  # noqa: PLC0415

        choice = Choice(images=(self.image,) if self.image else ())
        with Scratch() as scratch:
            found = preview(self.path, DEFAULT_LIMITS, choice, platforms, scratch.new_file)
        for note in found.notes if with_notes else ():
            messages.note(note)
        return found

    def read_one(self, platforms: PlatformChoice) -> tuple[ImageDetails, tuple[ImageID, ...]]:
        """Return the archive's only image, and the IDs of its known parents, the nearest first.

        Args:
            platforms: The image that the name of an index stands for.

        Raises:
            InvalidInput: An import would refuse the archive, or it does not have exactly one image.
        """
        from store.errors import InvalidInput, printable  # noqa: PLC0415 - `--help` does without

        found = self.read(platforms)
        path = printable(str(self.path))
        if len(found.named_images) != 1:
            names = [
                one.references[0].reference.familiar if one.references else str(one.image_id)
                for one in found.named_images
            ]
            shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
            raise InvalidInput(
                f"{path} has {len(names)} images" + (f": {shown}" if names else ""),
                hint=f"choose an image, as in docker-archive:{path}:{names[0]}" if names else None,
            )
        by_id = {one.image_id: one for one in found.images}
        (image,) = found.named_images
        line: list[ImageID] = []
        parent = image.parent
        while parent is not None and parent in by_id and parent not in line:
            line.append(parent)
            parent = by_id[parent].parent
        return image, tuple(line)


def archive_argument(text: str) -> ArchiveArgument | None:
    """Return the archive that an argument names; None if it names an image of the store.

    An argument names an archive if it has the prefix of a transport, or contains a slash and
    exists. No name of an image begins with a slash or a dot.

    Args:
        text: ``TRANSPORT:PATH``, ``TRANSPORT:PATH:NAME``, a path, or the name of an image.
    """
    transport, colon, rest = text.partition(":")
    if colon and transport in TRANSPORTS:
        if os.path.lexists(rest):
            return ArchiveArgument(Path(rest), "")
        # As in skopeo, the path ends at the first colon.
        path, _, image = rest.partition(":")
        return ArchiveArgument(Path(path), image)
    if text.startswith(("/", "./", "../")) or ("/" in text and os.path.lexists(text)):
        return ArchiveArgument(Path(text), "")
    return None


@contextmanager
def explained(*names: str) -> Iterator[None]:
    """Add a hint to the error about an unknown image or store if a file has the image's name.

    Args:
        names: The arguments of the command.

    Raises:
        NotFound: The block raised it.
    """
    from store.errors import (  # noqa: PLC0415 - `--help` does without
        InvalidInput,
        NotFound,
        StoreNotFound,
    )

    try:
        yield
    except (NotFound, InvalidInput, StoreNotFound) as error:
        name = next((one for one in names if "/" not in one and os.path.lexists(one)), "")
        if name:
            error.hint = f"write ./{name} to read the file {name}"
        raise


def suggest_path(name: str) -> None:
    """Print a hint if a file has the name of images that were not found.

    Args:
        name: The argument of the command.
    """
    if "/" not in name and os.path.lexists(name):
        messages.note(f"no image is named {name}: write ./{name} to read the file {name}")


@final
class Scratch:
    """Temporary files outside of any store, in a folder that is created with the first file."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._count = 0

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def new_file(self) -> Path:
        """Return the path of a file to create."""
        if self._folder is None:
            from tempfile import TemporaryDirectory  # noqa: PLC0415 - few archives need it

            self._folder = Path(
                self._stack.enter_context(TemporaryDirectory(prefix="storectl-preview-"))
            )
        self._count += 1
        return self._folder / str(self._count)
