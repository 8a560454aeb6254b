"""What an import that nobody vouches for gives to the repositories of its names."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store.catalog import repositories
from store.formats.image.manifests import Document
from store.importing.importer import ImportOptions, import_archive
from store.model.references import Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store

SECRET, PUBLIC = (Repository("docker.io", f"team/{name}") for name in ("secret", "public"))


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_guarded_import_gives_only_what_it_brings(store: Store, is_guarded: bool) -> None:
    layout = Layout()
    secret = layout.image(gzip(A))
    layout.root(secret, "docker.io/team/secret:1")
    store.import_archive(io.BytesIO(layout.tar()))
    hidden = Document.parse(layout.blobs[secret["digest"]])
    other = Layout()
    public = other.image(gzip(B))
    other.root(other.index(secret, public), "docker.io/team/public:1")
    options = ImportOptions(is_guarded=is_guarded)
    import_archive(store, io.BytesIO(other.tar()), options, None)
    shown = Document.parse(other.blobs[public["digest"]])
    with store.read() as connection:
        mine = [shown.digest, *(link.digest for link in shown.links)]
        assert repositories.held(connection, PUBLIC, mine).keys() == set(mine)
        theirs = [hidden.digest, *(link.digest for link in hidden.links)]
        given = repositories.held(connection, PUBLIC, theirs)
        assert given.keys() == (set() if is_guarded else set(theirs))
        assert repositories.held(connection, SECRET, theirs).keys() == set(theirs)
