"""A repository gets what it lacks, and its tags move only when everything else is there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener, Outcome
from remote.pushing.stored_image import open_stored
from store.errors import ContentMissing, DamagedContent
from store.formats.distribution.referrers import fallback_tag
from store.model.digests import Digest
from store.model.platforms import Platform
from store.model.progress import Silent
from store.model.references import Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.report import Delivered
    from store import Store
    from store.model.digests import Descriptor
    from tests.support.layouts import Descriptor as Written
    from tests.support.other_registry import OtherRegistry


class Heard:
    """Remembers what became of each blob."""

    def __init__(self) -> None:
        self.blobs: dict[str, tuple[Outcome, str]] = {}
        self.tags: list[str] = []

    def blob(self, blob: Descriptor, outcome: Outcome, origin: str = "") -> None:
        self.blobs[str(blob.digest)] = (outcome, origin)

    def tag(self, tag: str, document: object) -> None:
        del document
        self.tags.append(tag)


@pytest.fixture
def index(store: Store) -> Written:
    """Import an index of two platforms, with an attestation and a signature."""
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(A), B, platform="linux/arm64")
    index = layout.index(amd64, layout.attestation(amd64), arm64)
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"signature", subject=index))
    store.import_archive(io.BytesIO(layout.tar()))
    return index


def deliver(
    store: Store,
    registry: OtherRegistry,
    name: str,
    target: str,
    *,
    choice: Choice | None = None,
    delivery: Delivery | None = None,
    tag: str | None = "1",
) -> Delivered:
    delivery = delivery or Delivery(jobs=2, progress=Silent(), listener=NoListener())
    receiver = Repository(registry.host, target)
    with open_stored(store, name, choice or Choice(), jobs=2, receiver=receiver) as image:
        return registry.run(
            lambda: delivery.deliver(
                image.shipment(tag=tag), image.source, registry.repository(target)
            )
        )


def test_an_index_arrives_with_everything_below_it(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    done = deliver(store, registry, "team/app:1", "mine/app")

    assert registry.digest("mine/app", "1") == index["digest"]
    assert registry.digest("mine/app", index["digest"]) == index["digest"]
    assert len(done.sent) == 6
    assert done.sent_bytes == sum(blob.size_bytes for blob in done.sent)
    for blob in done.sent:
        answer = registry.ask("GET", f"/v2/mine/app/blobs/{blob.digest}")
        assert Digest.of(answer.body) == blob.digest
    assert done.moved_tags == ["1"]


def test_a_second_delivery_sends_nothing(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    first = deliver(store, registry, "team/app:1", "mine/app")
    heard = Heard()

    done = deliver(
        store,
        registry,
        "team/app:1",
        "mine/app",
        delivery=Delivery(jobs=2, progress=Silent(), listener=heard),
    )

    assert {str(blob.digest) for blob in first.sent} == set(heard.blobs)
    assert {outcome for outcome, _ in heard.blobs.values()} == {Outcome.HELD}
    assert not done.sent
    assert not done.mounted
    assert not done.documents
    assert not done.moved_tags
    assert heard.tags == ["1"]
    assert done.tags["1"].digest == Digest.parse(index["digest"])


def test_what_one_repository_got_is_mounted_into_the_next(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    del index
    heard = Heard()
    delivery = Delivery(jobs=2, progress=Silent(), listener=heard)
    deliver(store, registry, "team/app:1", "first/app", delivery=delivery)

    done = deliver(store, registry, "team/app:1", "second/app", delivery=delivery)

    assert not done.sent
    assert set(done.mounted.values()) == {"first/app"}
    assert set(heard.blobs.values()) == {(Outcome.MOUNTED, "first/app")}


def test_a_name_in_the_store_tells_where_the_registry_has_a_blob(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    del index
    deliver(store, registry, "team/app:1", "first/app")
    store.tag("team/app:1", f"{registry.host}/first/app:1")

    done = deliver(store, registry, "team/app:1", "second/app")

    assert not done.sent
    assert set(done.mounted.values()) == {"first/app"}


def test_the_registry_is_asked_although_the_store_has_a_wrong_idea(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    store.tag("team/app:1", f"{registry.host}/never/pushed:1")

    done = deliver(store, registry, "team/app:1", "second/app")

    assert not done.mounted
    assert registry.digest("second/app", "1") == index["digest"]


def test_a_tag_moves_to_the_new_image(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    deliver(store, registry, "team/app:1", "mine/app")

    done = deliver(
        store, registry, "team/app:1", "mine/app", choice=Choice((Platform.parse("linux/arm64"),))
    )

    assert done.moved_tags == ["1"]
    assert not done.sent
    assert registry.digest("mine/app", "1") not in {None, index["digest"]}


def test_without_a_tag_the_image_is_found_by_its_digest(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    done = deliver(store, registry, "team/app:1", "mine/app", tag=None)

    assert registry.digest("mine/app", index["digest"]) == index["digest"]
    assert registry.ask("GET", "/v2/mine/app/tags/list").json["tags"] == []
    assert not done.tags


def test_a_registry_with_the_referrers_list_needs_no_tag_for_it(
    store: Store, registry: OtherRegistry, index: Written
) -> None:
    done = deliver(store, registry, "team/app:1", "mine/app", choice=Choice(referrers=True))

    listed = registry.ask("GET", f"/v2/mine/app/referrers/{index['digest']}").json["manifests"]
    assert len(listed) == 1
    assert done.listed == ()
    assert registry.digest("mine/app", fallback_tag(Digest.parse(index["digest"]))) is None


def test_a_missing_file_is_reported_before_anything_is_sent(
    store: Store, root: Path, registry: OtherRegistry, index: Written
) -> None:
    del index
    digest = Digest.of(gzip(A).data)
    (file,) = (one for one in root.rglob(f"*{digest.hex}*") if one.is_file())
    file.unlink()

    with pytest.raises(ContentMissing) as caught:
        deliver(store, registry, "team/app:1", "mine/app")

    assert caught.value.digest == digest
    assert registry.digest("mine/app", "1") is None
    assert not registry.store.manifests()
    with registry.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM upload").scalar() == 0


def test_damage_is_found_before_the_upload_ends_and_no_tag_moves(
    store: Store, root: Path, registry: OtherRegistry, index: Written
) -> None:
    del index
    digest = Digest.of(gzip(A).data)
    (file,) = (one for one in root.rglob(f"*{digest.hex}*") if one.is_file())
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.chmod(0o600)
    file.write_bytes(bytes(data))

    with pytest.raises(DamagedContent) as caught:
        deliver(store, registry, "team/app:1", "mine/app")

    assert caught.value.digest == digest
    assert registry.digest("mine/app", "1") is None
    assert registry.ask("HEAD", f"/v2/mine/app/blobs/{digest}").status == 404
    # The store has marked the damage: the next push is refused before anything is sent.
    with pytest.raises(DamagedContent, match="earlier read"):
        deliver(store, registry, "team/app:1", "mine/app")


def test_a_survey_changes_nothing(store: Store, registry: OtherRegistry, index: Written) -> None:
    delivery = Delivery(jobs=2, progress=Silent(), listener=NoListener())
    with open_stored(store, "team/app:1", Choice(), jobs=2) as image:
        planned = image.shipment(tag="1")
        before = registry.run(lambda: delivery.survey(planned, registry.repository("mine/app")))
    assert len(before.missing) == 6
    assert before.missing_bytes == sum(blob.size_bytes for blob in before.missing)
    assert len(before.absent) == 3
    assert before.moved_tags == ("1",)
    assert not before.is_complete
    assert registry.digest("mine/app", index["digest"]) is None

    deliver(store, registry, "team/app:1", "mine/app")

    with open_stored(store, "team/app:1", Choice(), jobs=2) as image:
        planned = image.shipment(tag="1")
        after = registry.run(lambda: delivery.survey(planned, registry.repository("mine/app")))
    assert after.is_complete
    assert len(after.held) == 6
