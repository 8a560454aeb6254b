"""Lists of tags, repositories and referrers, requested page by page over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from tests.support import images
from tests.support.layouts import INDEX, MANIFEST
from tests.support.pushes import artifact, import_archive

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def test_pages_of_tags_and_repositories(ask: InProcessMirror, store: Store) -> None:
    names = ["demo:1", "quay.io/a/b:1", "zoo:1", "team/app:1"]
    for name in names:
        import_archive(store, images.image(images.A, tags=(name,)).bytes())
    for tag in ("2", "3"):
        store.tag("demo:1", f"demo:{tag}")
    assert ask("GET", "/v2/demo/tags/list").json["tags"] == ["1", "2", "3"]
    first = ask("GET", "/v2/demo/tags/list?n=2")
    assert first.json["tags"] == ["1", "2"]
    assert first.headers["Link"] == '</v2/demo/tags/list?n=2&last=2>; rel="next"'
    assert ask("GET", "/v2/demo/tags/list?n=2&last=2").json["tags"] == ["3"]
    assert ask("GET", "/v2/demo/tags/list?n=0").json["tags"] == []
    assert ask("GET", "/v2/demo/tags/list?last=1").json["tags"] == ["2", "3"]
    assert ask("GET", "/v2/demo/tags/list?n=x").code == "PAGINATION_NUMBER_INVALID"
    assert ask("GET", "/v2/nothing/tags/list").code == "NAME_UNKNOWN"
    found, path = [], "/v2/_catalog?n=1"
    while path:
        answer = ask("GET", path)
        found += answer.json["repositories"]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == ["library/demo", "library/zoo", "quay.io/a/b", "team/app"]
    for name in found:
        assert ask("GET", f"/v2/{name}/tags/list").json["name"] == name


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_catalog_lists_each_name_once_in_pages_of_any_size(
    size: int, store: Store, ask: InProcessMirror
) -> None:
    """A Docker Hub name that begins like a registry is listed and sorted with ``docker.io/``."""
    names = {
        "a.b/c",
        "docker.io/a.b/c",
        "docker.io/a.b/d",
        "a.b/e",
        "docker.io/localhost/x",
        "docker.io/zz.top/x",
        "a",
        "z",
        "localhost/x",
    }
    for name in names:
        import_archive(store, images.image(images.A, tags=(f"{name}:1",)).bytes())
    found: list[str] = []
    path = f"/v2/_catalog?n={size}"
    while path and len(found) <= len(names):
        answer = ask("GET", path)
        found += answer.json["repositories"]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == [
        *(
            "a.b/c",
            "docker.io/a.b/c",
            "docker.io/a.b/d",
            "a.b/e",
            "library/a",
            "library/z",
            "localhost/x",
        ),
        *("docker.io/localhost/x", "docker.io/zz.top/x"),
    ]
    assert ask("GET", f"/v2/_catalog?n={size}&last=a.%00").status == 200


def test_referrers_are_filtered_and_paged(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store.formats.distribution import referrers

    later = str(Digest.of(b"later"))
    subject = {"mediaType": MANIFEST, "digest": later, "size": 5}
    for kind in ("a/one", "a/two"):
        put = ask(
            "PUT",
            f"/v2/app/manifests/{kind[2:]}",
            artifact(ask, subject=subject, artifactType=kind),
            Content_Type=MANIFEST,
        )
        assert put.headers["OCI-Subject"] == later
    path = f"/v2/app/referrers/{later}"
    every = ask("GET", path)
    assert (every.headers["Content-Type"], len(every.json["manifests"])) == (INDEX, 2)
    assert "OCI-Filters-Applied" not in every.headers
    some = ask("GET", f"{path}?artifactType=a/one")
    assert [one["artifactType"] for one in some.json["manifests"]] == ["a/one"]
    assert some.headers["OCI-Filters-Applied"] == "artifactType"
    assert ask("GET", "/v2/nothing/referrers/" + later).json["manifests"] == []
    assert ask("GET", "/v2/app/referrers/x").status == 400
    monkeypatch.setattr(referrers, "MAX_INDEX_BYTES", 1)
    assert "Link" not in ask("GET", f"{path}?ns=docker.io&artifactType=a/one").headers
    first = ask("GET", f"{path}?ns=docker.io")
    rest = ask("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert sorted(
        one["artifactType"] for one in (*first.json["manifests"], *rest.json["manifests"])
    ) == ["a/one", "a/two"]
