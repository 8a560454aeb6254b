"""Archives that the command line loads and saves like Docker, and functions that read archives."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store import ImageID
from tests.support.images import A, Archive, B, config

if TYPE_CHECKING:
    from tests.support.command_line import Runner


CREATED = "2021-03-04T05:06:07.89Z"


EPOCH_SECONDS = int(datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp())


def saved(run: Runner, *names: str) -> bytes:
    """Save images on the command line; return the archive."""
    run("save", *names)
    return run.raw


def files(data: bytes) -> dict[str, bytes]:
    """Return the regular files of a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            member.name: reader.read()
            for member in archive
            if member.isreg() and (reader := archive.extractfile(member)) is not None
        }


def image_id(*layers: bytes, **members: object) -> str:
    """Return the ID of the image with these layers and config members."""
    return str(ImageID.of(config(*layers, **members)))


def two_images(**members: Any) -> bytes:  # noqa: ANN401 - of `manifest.json`
    """Return an archive of two images over layers A and B; ``first`` and ``second`` list tags."""
    archive = Archive().file("a", A).file("b", B).file("1", config(A)).file("2", config(B))
    entries = [
        {"Config": "1", "RepoTags": members["first"], "Layers": ["a"]},
        {"Config": "2", "RepoTags": members["second"], "Layers": ["b"]},
    ]
    return archive.manifest(*entries).bytes()


def steps(*names: str) -> list[dict[str, str]]:
    """Return history entries, one for each of these ``created_by`` texts."""
    return [{"created": CREATED, "created_by": name} for name in names]


def with_config(document: bytes, *layers: bytes) -> bytes:
    """Return an archive of one image with this config and these layers."""
    archive = Archive()
    for position, layer in enumerate(layers):
        archive.file(f"{position}.tar", layer)
    return (
        archive.file("c", document)
        .manifest(
            {
                "Config": "c",
                "RepoTags": ["v:1"],
                "Layers": [f"{position}.tar" for position in range(len(layers))],
            }
        )
        .bytes()
    )
