"""Single documents of images: a manifest or an index by its name, and the config of an image."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from remote.copying.fetched_image import fetch_image
from remote.errors import RegistryError
from remote.pushing.choice import Choice
from store.errors import InvalidInput, StoreError, TooLarge, printable
from store.formats.image.manifests import Role
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from remote.copying.image_repository import ImageRepository
    from remote.pushing.sources import BlobSource
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestReference
    from store.formats.image.manifests import Document
    from store.model.platforms import Platform

    _T = TypeVar("_T")

logger = logging.getLogger(__name__)

MAX_CONFIG_BYTES: Final = DEFAULT_LIMITS.inline_bytes
"""The largest config that is read into memory, in bytes."""


async def fetch_root(
    repository: ImageRepository, reference: ManifestReference, platform: Platform | None
) -> Document:
    """Fetch the manifest or index of a name, or one image of an index.

    Args:
        repository: The repository that has the image.
        reference: Its tag or digest.
        platform: The image to choose from an index; None for the index itself.

    Raises:
        RegistryError: The registry does not have the document, or cannot be reached.
        InvalidInput: The document is invalid, or the index has no image for the platform.
    """
    if platform is None:
        return (await repository.manifest(reference)).document
    return (await fetch_image(repository, reference, Choice((platform,)))).root


async def read_config(name: str, root: Document, source: BlobSource) -> bytes:
    """Return the config of an image; its digest is checked.

    Args:
        name: The name of the image, for errors.
        root: The manifest of the image.
        source: The bytes of its blobs.

    Raises:
        InvalidInput: The manifest has no config.
        TooLarge: The config is larger than `MAX_CONFIG_BYTES`.
        StoreError: The bytes cannot be read, or are wrong.
    """
    link = next((one for one in root.links if one.role is Role.CONFIG), None)
    if link is None:
        raise InvalidInput(f"cannot read the config of {name}: its {root.kind} has no config")
    if link.target.size_bytes > MAX_CONFIG_BYTES:
        raise TooLarge(
            f"the config of {name} has more than {MAX_CONFIG_BYTES} bytes", limit=MAX_CONFIG_BYTES
        )
    if link.data is not None:
        return link.data
    await source.require([link.target])
    async with source.open(link.target) as reader:
        return b"".join([chunk async for chunk in reader.chunks(0)])


async def first_answer(
    repositories: Sequence[Repository], ask: Callable[[Repository], Awaitable[_T]]
) -> _T:
    """Return the answer of the first repository that has one.

    Args:
        repositories: The repositories, mirrors first.
        ask: Asks one of the repositories.

    Raises:
        StoreError: None of them has an answer; it is the error of the last one.
    """
    *mirrors, last = repositories
    for repository in mirrors:
        try:
            return await ask(repository)
        except RegistryError as error:
            logger.info("asking the next registry: %s", printable(error.message))
    return await ask(last)


async def first_meaning(
    meanings: Sequence[Sequence[Repository]], ask: Callable[[int, Repository], Awaitable[_T]]
) -> _T:
    """Return the answer about the first image that exists, of those that a name may mean.

    Args:
        meanings: For each image, the repositories that have it, mirrors first.
        ask: Asks one repository about the image with a number.

    Raises:
        StoreError: No image can be found; it is the error about the first one.
    """
    first: StoreError | None = None
    for number, repositories in enumerate(meanings):
        try:
            return await first_answer(repositories, partial(ask, number))
        except StoreError as error:
            first = first or error
    assert first is not None  # noqa: S101 - a name means at least one image
    raise first
