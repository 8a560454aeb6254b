"""A repository receives images under the name that the user gave."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from remote.copying.receivers import RegistryReceiver
from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener
from remote.pushing.stored_image import open_stored
from store.errors import InvalidInput
from store.model.digests import Digest
from store.model.progress import Silent
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store
    from tests.support.layouts import Descriptor
    from tests.support.other_registry import OtherRegistry


@pytest.fixture
def app(store: Store) -> Descriptor:
    layout = Layout()
    root = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return root


def receiver(
    registry: OtherRegistry, *, tag: str | None = None, digest: Digest | None = None
) -> RegistryReceiver:
    delivery = Delivery(jobs=1, progress=Silent(), listener=NoListener())
    return RegistryReceiver(registry.repository("mine/app"), delivery, tag=tag, digest=digest)


def test_the_image_gets_its_tag(store: Store, registry: OtherRegistry, app: Descriptor) -> None:
    target = receiver(registry, tag="1")
    with open_stored(store, "team/app:1", Choice(), jobs=1) as image:
        survey = registry.run(lambda: target.survey(image))
        registry.run(lambda: target.receive(image))
    assert survey.moved_tags == ("1",)
    assert registry.digest("mine/app", "1") == app["digest"]


def test_the_image_has_to_have_the_digest_that_was_given(
    store: Store, registry: OtherRegistry, app: Descriptor
) -> None:
    right, wrong = Digest.parse(app["digest"]), Digest.of(b"other")
    with open_stored(store, "team/app:1", Choice(), jobs=1) as image:
        registry.run(lambda: receiver(registry, digest=right).receive(image))
        with pytest.raises(InvalidInput, match="its digest is"):
            registry.run(lambda: receiver(registry, digest=wrong).receive(image))
    assert registry.digest("mine/app", str(right)) == str(right)
