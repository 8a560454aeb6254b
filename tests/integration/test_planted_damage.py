"""Planted bits and pages: fsck finds each that changes an answer of the product.

``STORECTL_PLANTED`` sets the number of plants in the catalogue, its log and blobs; 12 by default.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from store import Store
from storectl import cli
from tests.support.images import A, B, image
from tests.support.layouts import Layout, foreign, gzip, plain
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

PLANTS: Final = int(os.environ.get("STORECTL_PLANTED", "12"))
PAGE: Final = 4096
MORE_BITS: Final = 0.7
NAMES: Final = ("demo:1", "demo:2", "team/many:1", "team/far:1", "team/sbom:1")


def fill(store: Store) -> None:
    layout = Layout()
    one = layout.image(plain(A), gzip(B), annotations={"made": "today"})
    index = layout.index(one, layout.image(B, platform="linux/arm64"), annotations={"x": "y"})
    layout.root(index, "docker.io/team/many:1")
    far = layout.image(A, foreign(plain(b"far away"), "https://example.org/layer"))
    layout.root(far, "docker.io/team/far:1")
    layout.root(layout.artifact(b"sbom"), "docker.io/team/sbom:1")
    store.import_archive(io.BytesIO(layout.tar()))
    put_image(store, A, tags=("demo:1",), labels={"stage": "prod"})
    store.import_archive(io.BytesIO(image(A, B, tags=("demo:2",)).bytes()))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a store that was closed, and one whose process was killed with changes in the log."""
    folder = tmp_path_factory.mktemp("planted")
    with Store.open(folder / "closed", create=True) as store:
        fill(store)
        shutil.copytree(folder / "closed", folder / "killed")
    return folder / "closed", folder / "killed"


def run(root: Path, *words: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = cli.run(["--root", str(root), *words])
    return code, out.getvalue()


def answers(root: Path) -> list[object]:
    """Return what the product says about the store, and the bytes that it saves."""
    found: list[object] = [run(root, "images", "--all", "--json")]
    for name in NAMES:
        found.append(run(root, "inspect", "--json", name))
        if name != "team/sbom:1":
            found.append(run(root, "history", "--json", name))
    archive = root / "staging" / "saved.tar"
    for name in NAMES[:4]:
        found.append(run(root, "save", "-q", "-o", str(archive), name)[0])
        found.append(archive.read_bytes() if archive.exists() else None)
        archive.unlink(missing_ok=True)
    return found


def plant(root: Path, name: str, chosen: random.Random) -> str:
    """Change a bit or a page of a file of the store; return what was done."""
    files = [path for path in (root / "blobs").rglob("*") if path.is_file()]
    path = chosen.choice(sorted(files)) if name == "blobs" else root / name
    data = bytearray(path.read_bytes())
    # The free space of pages is empty, so the byte is one that is used.
    place = next(at for at in iter(lambda: chosen.randrange(len(data)), -1) if data[at])
    if chosen.random() < MORE_BITS:
        bit = 1 << chosen.randrange(8)
        data[place] ^= bit
        done = f"bit {bit} of byte {place}"
    else:
        begin = place // PAGE * PAGE
        size = min(PAGE, len(data) - begin)
        data[begin : begin + size] = chosen.choice((bytes(size), chosen.randbytes(size)))
        done = f"page at {begin}"
    path.write_bytes(data)
    return f"{path.name}: {done}"


def test_what_changes_an_answer_is_found(stores: tuple[Path, Path], tmp_path: Path) -> None:
    closed, killed = stores
    expected = {}
    for source in stores:
        shutil.copytree(source, tmp_path / "sound")
        expected[source] = answers(tmp_path / "sound")
        shutil.rmtree(tmp_path / "sound")
    missed, changed = [], 0
    for seed in range(PLANTS):
        source, name = ((closed, "store.db"), (killed, "store.db-wal"), (closed, "blobs"))[seed % 3]
        for copy in ("asked", "checked"):
            shutil.copytree(source, tmp_path / copy)
            done = plant(tmp_path / copy, name, random.Random(seed))
        if answers(tmp_path / "asked") != expected[source]:
            changed += 1
            code, said = run(tmp_path / "checked", "fsck", "-q")
            if code != 5:
                missed.append((seed, done, code, said[:200]))
        for copy in ("asked", "checked"):
            shutil.rmtree(tmp_path / copy)
    found = changed - len(missed)
    print(f"figures: {PLANTS} planted, {changed} changed an answer, {found} found")  # noqa: T201
    assert missed == [], f"{len(missed)} of {changed} that changed an answer"
    assert changed > PLANTS // 4
