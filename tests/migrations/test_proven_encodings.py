"""The upgrade to revision 0004: no encoding of an old store is trusted before it is checked."""

from __future__ import annotations

import gzip
import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

import exporter
from store import Store
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support import old_stores as older
from tests.support.hostile_zstd import hidden_frame
from tests.support.old_stores import NOW
from tests.support.registry_pushes import APP, push_blob, push_image

if TYPE_CHECKING:
    from pathlib import Path

GOOD: Final = images.layer("etc/cron.sh", b"line\n" * 5000 + b"echo harmless")
EVIL: Final = GOOD.replace(b"harmless", b"evilevil")
DIFF: Final = Digest.of(GOOD)
HOSTILE: Final = hidden_frame(GOOD, EVIL)
POISONED: Final = gzip.compress(EVIL, mtime=0)


@pytest.fixture
def attacked(tmp_path: Path) -> Path:
    """Make a store as an older program left it after the attack.

    The hostile blob is seekable, and smaller than the encoding from the import. From the hostile
    blob, the server has made a gzip variant, which has the attacker's bytes.
    """
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        store.import_archive(io.BytesIO(images.image(GOOD, tags=("victim:1",)).bytes()))
        registry = Registry(store)
        image_id, _ = push_image(registry, (GOOD, HOSTILE), (images.B, images.B))
        store.verify_image(image_id)
        push_blob(registry, POISONED)
    root = older.older_store(full, tmp_path / "old", "0003", tmp_path / "scripts")
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as connection:
        key = "(SELECT id FROM content WHERE digest = ?)"
        connection.execute(
            f"UPDATE encoding SET seekable = 1 WHERE stored_id = {key}",  # noqa: S608 - a constant
            (str(Digest.of(HOSTILE)),),
        )
        connection.execute(
            f"INSERT INTO encoding VALUES ({key}, {key}, 'gzip', 0)",  # noqa: S608
            (str(DIFF), str(Digest.of(POISONED))),
        )
    return root


def test_no_old_encoding_is_trusted(attacked: Path) -> None:
    Store.upgrade(attacked)
    with closing(sqlite3.connect(attacked / "store.db")) as connection:
        found = connection.execute("SELECT seekable, ours, checked FROM encoding").fetchall()
    assert found == [(0, 0, 0)] * 3  # from the import, the push and the variant


@pytest.mark.parametrize("kind", ["legacy", "docker", "oci"])
def test_an_attacked_store_saves_the_victims_bytes(kind: str, attacked: Path) -> None:
    options = exporter.SaveOptions(exporter.Format(kind))
    with Store.open(attacked) as store:
        out = io.BytesIO()
        with exporter.open_save(store, ["victim:1"], options=options) as export:
            export.write(out)
    assert b"echo harmless" in out.getvalue()
    assert b"evilevil" not in out.getvalue()


def test_a_part_is_decoded_only_from_a_checked_encoding(attacked: Path) -> None:
    with Store.open(attacked) as store:
        registry = Registry(store)
        registry.adopt(APP, [DIFF])
        start = GOOD.index(b"echo")
        with registry.open_blob(APP, DIFF) as blob, closing(blob.blocks(whole=False)) as blocks:
            view = blocks.read_into(start, bytearray(1 << 20))
            assert bytes(view[:13]) == b"echo harmless"
        assert store.sources((DIFF,))[DIFF].is_proven


def test_fsck_finds_the_false_encoding_and_heals_the_others(attacked: Path) -> None:
    with Store.open(attacked) as store:
        findings = [(one.kind, one.subject) for one in store.fsck()]
        assert findings == [("wrong-diff", str(Digest.of(POISONED)))]
        left = store.sources((DIFF,))[DIFF].encodings
        assert all(one.is_checked and not one.is_ours for one in left)
        assert Digest.of(POISONED) not in {one.digest for one in left}
        assert not list(store.fsck())
