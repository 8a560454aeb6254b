from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from remote.errors import InvalidAnswer, RemoteRepositoryNotFound
from remote.registry.values import Tag
from store.errors import InvalidDocument, StoreError
from store.formats.distribution.referrers import fallback_tag
from store.formats.image.media_types import OCI_INDEX
from store.model.digests import Digest
from tests.support.faulty_registry import Answer, Compute, Endless, FaultyRegistry, Seen
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest, squeezed
from tests.support.remote_client import blob, parts, use

if TYPE_CHECKING:
    from remote.registry.repository import Repository

SUBJECT = Digest.of(b"subject")


async def tags(repository: Repository) -> list[str]:
    return [tag async for tag in repository.tags()]


async def referrers(repository: Repository, artifact_type: str | None = None) -> list[str]:
    return [str(one.digest) async for one in repository.referrers(SUBJECT, artifact_type)]


def page(*names: object, link: str = "") -> Answer:
    body = json.dumps({"name": "team/app", "tags": names}).encode()
    return Answer(200, {"Link": link} if link else {}, body)


def test_tags_are_read_page_by_page(scripted: FaultyRegistry) -> None:
    scripted.inject(page("1", "2", link='</v2/team/app/tags/list?last=2&n=2>; rel="next"'))
    scripted.inject(page("3"))
    assert use(scripted.host, tags) == ["1", "2", "3"]
    assert [one.target for one in scripted.seen] == [
        "/v2/team/app/tags/list?n=1000",
        "/v2/team/app/tags/list?last=2&n=2",
    ]


def test_a_repository_without_tags_may_say_null(scripted: FaultyRegistry) -> None:
    scripted.inject(Answer(200, {}, b'{"name":"team/app","tags":null}'))
    scripted.inject(Answer(200, {}, b'{"name":"team/app"}'))
    assert use(scripted.host, tags) == use(scripted.host, tags) == []


def test_tags_after_a_tag(scripted: FaultyRegistry) -> None:
    async def run(repository: Repository) -> list[str]:
        return [tag async for tag in repository.tags("2")]

    scripted.inject(page("3"))
    assert use(scripted.host, run) == ["3"]
    assert scripted.seen[0].target == "/v2/team/app/tags/list?n=1000&last=2"


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example/v2/team/app/tags/list?last=1>; rel="next"',
        '</v2/other/tags/list?last=1>; rel="next"',
        '</v2/team/app/manifests/1>; rel="next"',
        '<//evil.example/v2/team/app/tags/list>; rel="next"',
    ],
)
def test_pages_are_of_the_same_list(link: str, scripted: FaultyRegistry) -> None:
    scripted.always(page("1", link=link))
    with pytest.raises(InvalidAnswer, match="leads to another list"):
        use(scripted.host, tags)
    assert scripted.count() == 1


def test_pages_that_form_a_loop_end(scripted: FaultyRegistry) -> None:
    scripted.always(page("1", link='</v2/team/app/tags/list?last=1>; rel="next"'))
    with pytest.raises(InvalidAnswer, match="form a loop"):
        use(scripted.host, tags)
    assert scripted.count() == 2


def test_pages_without_end_have_a_ceiling(
    scripted: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(seen: Seen) -> Answer:
        count = len(scripted.seen)
        assert seen.target
        return page(str(count), link=f'</v2/team/app/tags/list?last={count}>; rel="next"')

    scripted.always(Compute(another))
    monkeypatch.setattr("remote.registry.listing._MAX_PAGES", 5)
    with pytest.raises(InvalidAnswer, match="more than 5 pages"):
        use(scripted.host, tags)
    monkeypatch.setattr("remote.registry.listing._MAX_ENTRIES", 3)
    with pytest.raises(InvalidAnswer, match="more than 3 tags"):
        use(scripted.host, tags)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"tags":5}', b'{"tags":["a b"]}', b'{"tags":[1]}', b"[" * 10**5],
)
def test_bad_lists(body: bytes, scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {}, body))
    with pytest.raises(InvalidAnswer):
        use(scripted.host, tags)


def test_control_characters_of_tags_are_not_printed(scripted: FaultyRegistry) -> None:
    scripted.always(page("\x1b[2Jx"))
    with pytest.raises(InvalidAnswer) as raised:
        use(scripted.host, tags)
    assert raised.value.message.isprintable()


def test_a_page_has_a_ceiling(scripted: FaultyRegistry) -> None:
    scripted.always(Endless())
    with pytest.raises(InvalidAnswer, match="larger than the limit"):
        use(scripted.host, tags)


def test_a_repository_that_is_not_there(faulty: FaultyRegistry) -> None:
    with pytest.raises(RemoteRepositoryNotFound, match="cannot list the tags of"):
        use(faulty.host, tags, name="no/such")


def index(*digests: Digest, artifact_type: str = "application/x") -> bytes:
    listed = [
        {"mediaType": MANIFEST, "digest": str(one), "size": 5, "artifactType": artifact_type}
        for one in digests
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json.dumps(document).encode()


A, B = Digest.of(b"a"), Digest.of(b"b")


def test_referrers_are_read_page_by_page(scripted: FaultyRegistry) -> None:
    link = f'</v2/team/app/referrers/{SUBJECT}?page=2>; rel="next"'
    headers = {"Content-Type": OCI_INDEX}
    scripted.inject(Answer(200, {**headers, "Link": link}, index(A)))
    scripted.inject(Answer(200, headers, index(A, B)))
    assert use(scripted.host, referrers) == [str(A), str(B)]


def test_the_filter_holds_if_the_registry_ignores_it(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {"Content-Type": OCI_INDEX}, index(A)))
    found = use(scripted.host, lambda it: referrers(it, "application/x"))
    assert found == [str(A)]
    assert use(scripted.host, lambda it: referrers(it, "application/y")) == []
    assert scripted.seen[0].target.endswith("?artifactType=application/x")


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_registries_without_the_api_have_a_tag(status: int, scripted: FaultyRegistry) -> None:
    scripted.always(Answer(status), path="/referrers/")
    scripted.inject(Answer(200, {"Content-Type": OCI_INDEX}, index(A)), path="/manifests/")
    assert use(scripted.host, referrers) == [str(A)]
    assert scripted.seen[1].target == f"/v2/team/app/manifests/{fallback_tag(SUBJECT)}"
    scripted.inject(Answer(404), path="/manifests/")
    assert use(scripted.host, referrers) == []


def test_a_page_of_a_web_site_is_not_a_list(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {"Content-Type": "text/html"}, b"<html>"), path="/referrers/")
    scripted.always(Answer(404), path="/manifests/")
    assert use(scripted.host, referrers) == []


def test_a_fallback_tag_that_names_an_image_is_an_error(scripted: FaultyRegistry) -> None:
    _, manifest = image_manifest()
    scripted.always(Answer(404), path="/referrers/")
    scripted.always(Answer(200, {"Content-Type": MANIFEST}, manifest), path="/manifests/")
    with pytest.raises(InvalidDocument, match="expected an index"):
        use(scripted.host, referrers)


def test_bad_referrers(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(200, {"Content-Type": OCI_INDEX}, b'{"manifests":5}'))
    with pytest.raises(StoreError):
        use(scripted.host, referrers)


def test_referrers_of_a_real_registry(faulty: FaultyRegistry) -> None:
    subject = {"mediaType": MANIFEST, "digest": str(SUBJECT), "size": 7}
    layer = squeezed(b"x")
    config, manifest = image_manifest((b"x", layer), subject=subject)

    async def run(repository: Repository) -> list[str]:
        for data in (config, layer):
            await repository.send_blob(blob(data), parts(data))
        await repository.put_manifest(Tag("signature"), manifest, MANIFEST)
        return await referrers(repository)

    assert use(faulty.host, run) == [str(Digest.of(manifest))]
