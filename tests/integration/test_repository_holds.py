"""A name gives only the content that its repository holds, whatever a pushed manifest lists."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

import exporter
from exporter import Format, SaveOptions
from mirror.service import VariantEncoding
from store.errors import IncompleteImage, StoreError
from store.model.digests import Digest, ImageID
from tests.support import images
from tests.support.guarded_mirror import GuardedMirror, Pushed, guarded_mirror
from tests.support.layouts import INDEX, MANIFEST, Layout, gzip
from tests.support.pushes import import_archive
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store

SECRET: Final = images.layer("secret", b"topsecret")
MINE: Final = images.layer("mine", b"mine")
ARM64: Final = {"os": "linux", "architecture": "arm64"}
AMD64: Final = {"os": "linux", "architecture": "amd64"}
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def ask(store: Store) -> Iterator[GuardedMirror]:
    with guarded_mirror(store) as mirror:
        yield mirror


@pytest.fixture
def secret(ask: GuardedMirror) -> Pushed:
    """Push the image that mallory may not read; return its manifest."""
    return ask.image("root", "secret/app", "1", SECRET)


@pytest.fixture
def attack(ask: GuardedMirror, secret: Pushed) -> Pushed:
    """Push an index to mallory's repository that lists an own image and the secret image."""
    mine = ask.image("mallory", "mallory/x", "mine", MINE)
    return ask.index(
        "mallory",
        "mallory/x",
        "1",
        mine.described(platform=AMD64),
        secret.described(platform=ARM64),
    )


def saved(store: Store, *names: str, **options: object) -> bytes:
    sink = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(**options)) as export:  # type: ignore[arg-type]
        export.write(sink)
    return sink.getvalue()


def members(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {f"sha256:{name.rpartition('/')[2]}" for name in tar.getnames()}


def verified(store: Store, manifest: Pushed) -> None:
    """Wait until the server has decided whether the layers of a manifest are right."""
    del manifest
    until(lambda: store.unverified_images(limit=1) == [])


# --- tags -----------------------------------------------------------------------------------------


def test_a_new_tag_serves_only_what_the_source_repository_held(
    store: Store, ask: GuardedMirror, secret: Pushed, attack: Pushed
) -> None:
    store.tag("mallory/x:1", "public/y:1")
    store.tag(f"mallory/x@{attack.digest}", "public/y:2")
    store.tag(attack.digest, "public/y:3")
    layer = Digest.of(SECRET)
    for path in (f"manifests/{secret.digest}", f"blobs/{layer}"):
        assert ask(None, "GET", f"/v2/public/y/{path}").status == 404
    assert ask(None, "GET", "/v2/public/y/manifests/1").body == attack.data
    assert ask(None, "GET", f"/v2/public/y/blobs/{Digest.of(MINE)}").body == MINE
    for number in (1, 2, 3):
        answer = ask(None, "GET", f"/archives/oci/public/y:{number}?sparse")
        assert answer.status == 200
        assert MINE in answer.body
        assert SECRET not in answer.body


def test_an_image_imported_without_a_name_can_be_tagged_whole(store: Store) -> None:
    """Its base layer belongs to a different repository."""
    import_archive(store, images.image(SECRET, tags=("base:1",)).bytes())
    import_archive(store, images.image(SECRET, MINE, tags=()).bytes())
    image_id = ImageID.of(images.config(SECRET, MINE))
    store.tag(str(image_id), "new:1")
    with guarded_mirror(store) as ask:
        assert ask(None, "GET", "/v2/library/new/manifests/1").status == 401
    assert SECRET in saved(store, "new:1", format=Format.DOCKER)


# --- saves and archives ---------------------------------------------------------------------------


def test_a_save_of_a_name_leaves_out_what_its_repository_lacks(
    store: Store, secret: Pushed, attack: Pushed
) -> None:
    for name in ("mallory/x:1", f"mallory/x@{attack.digest}"):
        with pytest.raises(IncompleteImage) as caught:
            saved(store, name, format=Format.OCI)
        assert secret.digest in str(caught.value.missing)
        archive = saved(store, name, format=Format.OCI, sparse=True)
        assert MINE in archive
        assert SECRET not in archive
    # An operator who names a digest means all stored content.
    assert SECRET in saved(store, attack.digest, format=Format.OCI)


def test_names_of_two_repositories_have_a_scope_each(
    store: Store, secret: Pushed, attack: Pushed
) -> None:
    """The index of one repository is not completed by the image of the other."""
    with pytest.raises(IncompleteImage):
        saved(store, "mallory/x:1", "secret/app:1", format=Format.OCI)
    archive = saved(store, "mallory/x:1", "secret/app:1", format=Format.OCI, sparse=True)
    assert {attack.digest, secret.digest} <= members(archive)


@pytest.mark.parametrize("format_", list(Format))
def test_a_config_gives_no_layer_away(format_: Format, store: Store, ask: GuardedMirror) -> None:
    """The config lists the secret layer, and the manifest a layer of mallory's."""
    ask.image("root", "secret/app", "1", SECRET)
    ask.image("mallory", "mallory/x", "1", MINE, config=images.config(SECRET, author="mallory"))
    for options in ({}, {"layers": exporter.Layers.PLAIN} if format_.keeps_manifests else {}):
        try:
            archive = saved(store, "mallory/x:1", format=format_, **options)
        except StoreError:
            continue
        assert SECRET not in archive
    answer = ask("mallory", "GET", f"/archives/{format_}/mallory/x:1")
    assert answer.status == (200 if format_.keeps_manifests else 404)
    assert SECRET not in answer.body


def test_referrers_of_other_repositories_are_left_out(store: Store, ask: GuardedMirror) -> None:
    image = ask.image("root", "public/app", "1", MINE)
    theirs = ask.referrer("mallory", "mallory/x", image)
    own = ask.referrer("root", "public/app", image, "c/d")
    behind = ask.referrer("mallory", "mallory/x", own)
    path = "/archives/oci/public/app:1?referrers"
    for archive in (
        ask(None, "GET", path).body,
        saved(store, "public/app:1", format=Format.OCI, referrers=True),
    ):
        assert {own.digest, theirs.digest, behind.digest} & members(archive) == {own.digest}
    by_id = ask(None, "GET", f"/archives/oci/{image.digest}?referrers").body
    assert {own.digest, theirs.digest, behind.digest} & members(by_id) == {own.digest}
    every = saved(store, image.digest, format=Format.OCI, referrers=True)
    assert {own.digest, theirs.digest, behind.digest} <= members(every)


def test_an_id_stands_for_what_the_caller_may_read(
    ask: GuardedMirror, secret: Pushed, attack: Pushed
) -> None:
    config = json.loads(secret.data)["config"]["digest"]
    for name in (secret.digest, config):
        assert ask("root", "GET", f"/archives/oci/{name}").status == 200
        assert ask(None, "GET", f"/archives/oci/{name}").status == 401
        assert ask("mallory", "GET", f"/archives/oci/{name}").status == 403
    assert ask("mallory", "GET", f"/archives/oci/{attack.digest}").status == 404
    answer = ask("mallory", "GET", f"/archives/oci/{attack.digest}?sparse")
    assert MINE in answer.body
    assert SECRET not in answer.body


# --- content without a name -----------------------------------------------------------------------


def test_by_id_serves_only_content_that_no_repository_holds(
    store: Store, ask: GuardedMirror
) -> None:
    import_archive(store, images.image(MINE, tags=()).bytes())
    (loose,) = store.images()[0].manifests
    for path in (f"manifests/{loose}", f"blobs/{Digest.of(MINE)}"):
        assert ask("root", "GET", f"/v2/_/by-id/{path}").status == 200
    pushed = ask.image("root", "secret/app", "1", SECRET)
    store.untag("secret/app:1")
    assert ask("root", "GET", f"/v2/secret/app/manifests/{pushed.digest}").status == 200
    for path in (f"manifests/{pushed.digest}", f"blobs/{Digest.of(SECRET)}"):
        assert ask("root", "GET", f"/v2/_/by-id/{path}").status == 404


# --- claims ---------------------------------------------------------------------------------------


def test_a_media_type_counts_only_where_it_was_stated(store: Store, ask: GuardedMirror) -> None:
    """The manifest does not state its media type, and has a subject in both repositories."""
    found = {}
    for user, name, media_type in (
        ("mallory", "mallory/x", DOCKER_MANIFEST),
        ("root", "public/app", MANIFEST),
    ):
        subject = ask.image(user, name, "subject", MINE)
        config = {**ask.blob(user, name, b"{}"), "mediaType": "a/b"}
        data = Pushed(
            json.dumps(
                {
                    "schemaVersion": 2,
                    "config": config,
                    "layers": [],
                    "subject": subject.described(),
                }
            ).encode()
        )
        path = f"/v2/{name}/manifests"
        for target in (data.digest, "1"):
            answer = ask(user, "PUT", f"{path}/{target}", data.data, Content_Type=media_type)
            assert answer.status == 201
        found[name] = (path, user, data, subject, media_type)
    store.tag("mallory/x:1", "public/copy:1")
    for name, (path, user, data, subject, media_type) in found.items():
        for target in (data.digest, "1"):
            for method in ("GET", "HEAD"):
                answer = ask(user, method, f"{path}/{target}")
                assert answer.headers["Content-Type"] == media_type
        listed = ask(user, "GET", f"/v2/{name}/referrers/{subject.digest}").json["manifests"]
        assert [one["mediaType"] for one in listed] == [media_type]
        archive = ask(user, "GET", f"/archives/oci/{name}:1").body
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        assert [one["mediaType"] for one in index["manifests"]] == [media_type]
    copied = ask(None, "GET", "/v2/public/copy/manifests/1")
    assert copied.headers["Content-Type"] == DOCKER_MANIFEST


def test_a_claimed_size_counts_only_in_its_manifest(store: Store, ask: GuardedMirror) -> None:
    """A wrong size for absent content does not keep the true content out."""
    layout = Layout()
    image = layout.image(gzip(MINE))
    index = layout.index(image)
    false = {**image, "size": 7}
    ask.index("mallory", "mallory/x", "1", false)
    subject = Pushed(b"x" * image["size"])
    ask.referrer("mallory", "mallory/x", subject)
    sparse = Layout()
    sparse.root(sparse.index(image), "docker.io/public/sparse:1")
    import_archive(store, sparse.tar())
    for name, want in (("mallory/x:1", 7), ("public/sparse:1", image["size"])):
        (link,) = store.inspect_manifest(name).links
        assert link.size_bytes == want
    layout.root(index, "docker.io/public/app:1")
    import_archive(store, layout.tar())
    assert ask(None, "GET", f"/v2/public/app/manifests/{image['digest']}").status == 200


# --- several manifests of one image ---------------------------------------------------------------


def smaller(ask: GuardedMirror, than: Pushed, config: bytes) -> Pushed:
    """Push a manifest for the same config, with a junk layer and a smaller digest."""
    document = json.loads(than.data)
    document["config"] = {**ask.blob("mallory", "mallory/x", config), **document["config"]}
    junk = ask.blob("mallory", "mallory/x", b"junk that is no layer of this image")
    document["layers"] = [junk]
    number = 0
    while True:
        document["annotations"] = {"number": str(number)}
        if Pushed(json.dumps(document, separators=(",", ":")).encode()).digest < than.digest:
            return ask.manifest("mallory", "mallory/x", "1", document)
        number += 1


def test_an_image_id_stands_for_a_manifest_with_the_right_layers(
    store: Store, ask: GuardedMirror
) -> None:
    config = images.config(MINE)
    image = ask.image("root", "public/app", "1", MINE, config=config)
    junk = smaller(ask, image, config)
    verified(store, junk)
    image_id = str(ImageID.of(config))
    for format_ in Format:
        answer = ask(None, "GET", f"/archives/{format_}/{image_id}")
        assert answer.status == 200
        for archive in (answer.body, saved(store, image_id, format=format_)):
            assert MINE in archive
            assert b"junk that" not in archive
    # Only mallory's own name gives the junk, and only as it was pushed.
    assert b"junk that" in ask("mallory", "GET", "/archives/oci/mallory/x:1").body
    assert ask("mallory", "GET", "/archives/legacy/mallory/x:1").status == 404
    store.tag(image_id, "public/tagged:1")
    assert ask(None, "GET", "/v2/public/tagged/manifests/1").body == image.data


def test_an_import_moves_a_tag_away_from_wrong_layers(store: Store, ask: GuardedMirror) -> None:
    """Importing an image leaves its tag alone, but not if the tag's manifest lists other layers."""
    config = images.config(MINE)
    ask.image("root", "public/app", "1", b"junk", config=config)
    until(lambda: store.unverified_images(limit=1) == [])
    import_archive(store, images.image(MINE, tags=("public/app:1",)).bytes())
    assert ask(None, "GET", f"/v2/public/app/blobs/{Digest.of(MINE)}").body == MINE
    assert MINE in ask(None, "GET", "/archives/oci/public/app:1").body


# --- what a push tells ----------------------------------------------------------------------------


def test_the_depth_of_foreign_indexes_is_not_counted(ask: GuardedMirror, secret: Pushed) -> None:
    """Otherwise a refused push would tell that a secret index has indexes below it."""
    inner = secret
    for number in range(30):
        inner = ask.index("root", "secret/app", f"i{number}", inner.described())
    absent = Pushed(b"absent", INDEX)
    for number, start in enumerate((inner, absent)):
        outer = start
        for depth in range(5):
            outer = ask.index(
                "mallory", "mallory/x", f"o{number}-{depth}", outer.described(urls=[str(number)])
            )


def test_tags_of_variants_do_not_tell_which_layers_are_stored(store: Store) -> None:
    """A config can list any diff, and the layers of the manifest can be different."""
    import_archive(store, images.image(SECRET, tags=("secret/app:1",)).bytes())
    with guarded_mirror(store, variants=(VariantEncoding.ZSTD,)) as ask:
        for tag, diff in (("here", SECRET), ("nowhere", b"nowhere")):
            ask.image("mallory", "mallory/x", tag, MINE, config=images.config(diff, author=tag))
            assert ask("mallory", "GET", f"/v2/mallory/x/manifests/{tag}-zstd").status == 404
        until(lambda: store.unverified_images(limit=1) == [])
        listed = ask("mallory", "GET", "/v2/mallory/x/tags/list").json["tags"]
        assert listed == ["here", "nowhere"]
