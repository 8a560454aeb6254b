"""What `pull` and `copy` print about images of archives, folders, engines and registries' files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from storectl.output.units import human_size

if TYPE_CHECKING:
    from store import Reference
    from store.errors import StoreError
    from store.model.digests import Descriptor, Digest
    from storectl.commands._import_reports import ArchiveResult
    from storectl.commands._registry_trees import TreeResult


@final
@dataclass(frozen=True, slots=True)
class FailedPlace:
    """An image of another place that could not be stored; the store has no part of it.

    Attributes:
        place: The name of the image there.
        error: Why.
    """

    place: str
    error: StoreError


@final
@dataclass(frozen=True, slots=True)
class PlaceImage:
    """An image of another place that the store has now, or would have.

    Attributes:
        place: The name of the image there.
        root: Its manifest or index.
        tags: Its names in the store.
        moved_tags: Those of ``tags`` that named something else before, or nothing.
        new_blobs: The blobs that the store did not have.
        held_blobs: The blobs that the store had.
        is_new: Whether the store changed, or would change.
        is_dry_run: Whether nothing was changed.
        images: The IDs of the images.
        notes: Facts that the user should know, and what is broken.
        result: What `import` prints about the place.
    """

    place: str
    root: Descriptor
    tags: tuple[Reference, ...]
    moved_tags: tuple[Reference, ...]
    new_blobs: tuple[Descriptor, ...]
    held_blobs: tuple[Descriptor, ...]
    is_new: bool
    is_dry_run: bool
    images: tuple[str, ...]
    notes: tuple[str, ...]
    result: ArchiveResult | TreeResult

    @property
    def digest(self) -> Digest:
        """The digest of the manifest or index."""
        return self.root.digest

    @property
    def losses(self) -> int:
        """The number of losses of content in the files of a registry."""
        return self.result.losses

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the store; the digest if it has none."""
        return tuple(tag.familiar for tag in self.tags) or (str(self.root.digest),)

    def show(self, *, quiet: bool) -> None:
        """Print what `pull` prints about the image, in the words of docker.

        Args:
            quiet: Whether to print only the names.
        """
        from storectl.output import render  # noqa: PLC0415 - `--help` does without
        from storectl.output.remedies import note_lines  # noqa: PLC0415

        if not quiet:
            for line in note_lines(self.notes):
                render.line(line, err=True)
            if not self.tags:
                hint = f"`storectl copy {self.place} store:NAME` gives the image a name"
                render.line(f"hint: {hint}", err=True)
        if self.is_dry_run:
            render.lines([self._planned(name) for name in self.names])
            return
        if quiet:
            render.lines(list(self.names))
            return
        render.lines([f"Pulling from {self.place}", f"Digest: {self.digest}"])
        status = "Downloaded newer image" if self.is_new else "Image is up to date"
        for name in self.names:
            render.lines([f"Status: {status} for {name}", name])
        render.line(self._summary(), err=True)

    def _planned(self, name: str) -> str:
        shown = f"{name} ({self.digest})" if self.tags else name
        if not self.is_new:
            return f"Image is up to date for {shown}"
        size = sum(blob.size_bytes for blob in self.new_blobs)
        return (
            f"Would pull {shown}: {len(self.new_blobs)} blob(s), {human_size(size)};"
            f" {len(self.held_blobs)} already present"
        )

    def _summary(self) -> str:
        size = sum(blob.size_bytes for blob in self.new_blobs)
        return (
            f"{len(self.new_blobs)} blob(s) stored, {human_size(size)};"
            f" {len(self.held_blobs)} already present"
        )

    def as_pull(self) -> list[dict[str, Any]]:
        """Return the documents of `pull`: one for each name."""
        return [
            self._pull(name, self.new_blobs if number == 0 else ())
            for number, name in enumerate(self.names)
        ]

    def _pull(self, name: str, blobs: tuple[Descriptor, ...]) -> dict[str, Any]:
        present = len(self.new_blobs) + len(self.held_blobs) - len(blobs)
        found: dict[str, Any] = {
            "Reference": name,
            "Digest": str(self.digest),
            "MediaType": self.root.media_type,
            "Changed": self.is_new,
            "DryRun": self.is_dry_run,
            "DownloadedBlobs": len(blobs),
            "DownloadedBytes": sum(blob.size_bytes for blob in blobs),
            "ResumedBytes": 0,
            "PresentBlobs": present,
            "Notes": list(self.notes),
        }
        if self.is_dry_run:
            found["Blobs"] = [
                {"MediaType": one.media_type, "Digest": str(one.digest), "Size": one.size_bytes}
                for one in blobs
            ]
        else:
            found["Images"] = list(self.images)
        return found
