"""The places that images are sent to, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from remote.pushing.delivery import Delivery
    from remote.pushing.image import SentImage
    from remote.pushing.report import Delivered, Survey
    from remote.registry.repository import Repository
    from store.model.digests import Digest


class Receiver(Protocol):
    """A place that receives images."""

    async def survey(self, image: SentImage) -> Survey:
        """Return what the place lacks of an image. Nothing is changed.

        Args:
            image: The image.

        Raises:
            StoreError: The place cannot be asked, or cannot receive the image.
        """
        ...

    async def receive(self, image: SentImage) -> Delivered:
        """Make the place have an image.

        Args:
            image: The image.

        Raises:
            StoreError: The image cannot be read, or the place refuses it. The name of the image
                stands for what it stood for before.
        """
        ...


@final
class RegistryReceiver:
    """A repository that receives images.

    Args:
        repository: The repository.
        delivery: Sends the images.
        tag: The tag that the image gets; None for none.
        digest: The digest that the image must have; None for any.
        foreign_layers: Whether to send layers that readers download from elsewhere.
    """

    def __init__(
        self,
        repository: Repository,
        delivery: Delivery,
        *,
        tag: str | None = None,
        digest: Digest | None = None,
        foreign_layers: bool = False,
    ) -> None:
        self._repository = repository
        self._delivery = delivery
        self._tag = tag
        self._digest = digest
        self._foreign_layers = foreign_layers

    async def survey(self, image: SentImage) -> Survey:
        """Ask the repository what it lacks."""
        planned = image.shipment(
            tag=self._tag, digest=self._digest, foreign_layers=self._foreign_layers
        )
        return await self._delivery.survey(planned, self._repository)

    async def receive(self, image: SentImage) -> Delivered:
        """Send what the repository lacks."""
        planned = image.shipment(
            tag=self._tag, digest=self._digest, foreign_layers=self._foreign_layers
        )
        return await self._delivery.deliver(planned, image.source, self._repository)
