"""The resource that each path of a URL names."""

from __future__ import annotations

import pytest

from mirror.api import routes
from mirror.api.routes import Resource, Route


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2/", Route(Resource.BASE)),
        ("/v2/_catalog", Route(Resource.CATALOG)),
        ("/v2/a/b/manifests/latest", Route(Resource.MANIFEST, "a/b", "latest")),
        ("/v2/manifests/manifests/manifests", Route(Resource.MANIFEST, "manifests", "manifests")),
        ("/v2/a/blobs/sha256:0", Route(Resource.BLOB, "a", "sha256:0")),
        ("/v2/a/blobs/uploads/", Route(Resource.UPLOADS, "a")),
        ("/v2/a/blobs/uploads", Route(Resource.UPLOADS, "a")),
        ("/v2/a/blobs/uploads/1", Route(Resource.UPLOAD, "a", "1")),
        ("/v2/blobs/uploads/blobs/uploads/1", Route(Resource.UPLOAD, "blobs/uploads", "1")),
        ("/v2/a/tags/list", Route(Resource.TAGS, "a")),
        ("/v2/a/referrers/x", Route(Resource.REFERRERS, "a", "x")),
        ("/v2/a", None),
        ("/v2/a/tags", None),
        ("/v2//manifests/x", None),
        ("/v2/a/manifests/", None),
        ("/v2", Route(Resource.BASE)),
        ("/v2x", None),
        ("/", None),
        ("/token", Route(Resource.TOKEN)),
        ("/archives/oci/a:1,b", Route(Resource.ARCHIVE, "", "oci/a:1,b")),
    ],
)
def test_path_names_a_resource(path: str, route: Route | None) -> None:
    assert routes.parse(path) == route
