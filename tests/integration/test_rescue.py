"""A store loses store.db, and `storectl rescue` brings back all that can be saved."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from exporter.options import Format, SaveOptions
from store import ImageFilter, Store
from store.documents import records
from store.documents.blocks import BlockWriter, Mark, mark
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.command_line import Runner
from tests.support.document_logs import log_documents, log_frames, log_path
from tests.support.images import A, B, image, layer
from tests.support.layouts import MANIFEST, Layout, encode, foreign, gzip, plain, zstd
from tests.support.registry_pushes import APP, push_blob, push_image, squeezed
from tests.support.stored_images import set_parent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

C = layer("c", b"c" * 10_000)
LARGE = layer("large", os.urandom(1_500_000) * 6)


def fill(store: Store, folder: Path) -> None:
    """Import and push images of every kind."""
    docker = image(A, B, tags=("demo:1", "demo:2", "team/other:1"))
    parent = image(A, tags=(), os="plan9")
    for number, one in enumerate((docker, parent, image(A, C, LARGE, tags=("big:1",)))):
        path = folder / f"docker{number}.tar"
        path.write_bytes(one.bytes())
        store.import_archive(path)
    layout = Layout()
    first = layout.image(plain(A), gzip(B), annotations={"made": "today"})
    second = layout.image(zstd(B), platform="linux/arm64")
    index = layout.index(first, layout.absent(), second, annotations={"x": "y"})
    layout.root(index, "docker.io/team/many:1")
    layout.root(
        layout.image(A_far(), foreign(plain(b"far away"), "https://example.org/layer")),
        "docker.io/team/far:1",
    )
    layout.root(layout.artifact(b"signature", subject=index))
    layout.root(layout.artifact(b"sbom"), "docker.io/team/sbom:1")
    layout_tar = folder / "layout.tar"
    layout_tar.write_bytes(layout.tar())
    store.import_archive(layout_tar)
    registry = Registry(store)
    push_image(registry, (A, squeezed(A)), (C, squeezed(C)), tags=("1", "2"))
    push_image(registry, (B, squeezed(B)), tags=())
    push_image(registry, (LARGE, squeezed(A)), diffs=(LARGE,), tags=("wrong",))
    served = registry.manifest(APP, "1")
    push_blob(registry, b"{}")
    empty = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    about = {"mediaType": served.media_type, "digest": str(served.digest), "size": len(served.data)}
    referrer = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "a/b",
        "config": empty,
        "layers": [],
        "subject": about,
    }
    registry.put_manifest(APP, encode(referrer), media_type=MANIFEST, digest=None, tags=())
    untyped = encode({"schemaVersion": 2, "config": empty, "layers": []})
    registry.put_manifest(APP, untyped, media_type=MANIFEST, digest=None, tags=("untyped",))
    store.tag("demo:1", "gone:1")
    store.untag("gone:1")
    store.tag("big:1", "moved:1")
    store.tag("demo:1", "moved:1")
    store.remove("team/other:1")
    for image_id, _ in store.unverified_images(limit=100):
        store.verify_image(image_id)
    set_parent(store, store.inspect("big:1").image_id, store.inspect("demo:1").image_id)


def A_far() -> Any:  # noqa: ANN401, N802 - a layer of the test
    return plain(layer("near", b"near"))


def contents(store: Store) -> dict[str, object]:
    """Return everything that users see of a store, with the bytes of all saves."""
    images = store.images(ImageFilter(include_intermediate=True))
    manifests = store.manifests()
    names = sorted(
        {str(name) for one in images for name in one.references}
        | {str(name) for one in manifests for name in one.references}
    )
    saved: dict[str, object] = {}
    for format_ in Format:
        for name in (*names, *(str(one.image_id) for one in images)):
            out = io.BytesIO()
            try:
                options = SaveOptions(format=format_)
                with exporter.open_save(store, (name,), options=options) as export:
                    export.write(out)
            except Exception as exc:  # noqa: BLE001 - the same error is expected afterwards
                saved[f"{format_} {name}"] = type(exc).__name__
            else:
                saved[f"{format_} {name}"] = Digest.of(out.getvalue())
    registry = Registry(store)
    return {
        # One pushed image has the layers of another one.
        "findings": list(store.fsck()),
        "images": images,
        "manifests": manifests,
        "saved": saved,
        "details": [store.inspect(str(one.image_id)) for one in images],
        "tags": registry.tags(APP),
        "repositories": registry.repositories(after="", limit=100),
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("full")
    with Store.open(folder / "store", create=True, clock=lambda: NOW) as store:
        fill(store, folder)
        found = contents(store)
    return folder / "store", found


def delete(database: Path) -> None:
    database.unlink()


def empty(database: Path) -> None:
    database.write_bytes(b"")


def zero(database: Path) -> None:
    database.write_bytes(b"\0" * database.stat().st_size)


def truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 3)


def random_pages(database: Path) -> None:
    data = bytearray(database.read_bytes())
    for page in range(1, len(data) // 4096, 3):
        data[page * 4096 : (page + 1) * 4096] = os.urandom(4096)
    database.write_bytes(data)


def foreign_database(database: Path) -> None:
    database.unlink()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


@pytest.mark.parametrize("lose", [delete, empty, zero, truncate, random_pages, foreign_database])
def test_everything_recorded_is_rescued(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    lose: Callable[[Path], None],
) -> None:
    root, before = tmp_path / "store", full[1]
    shutil.copytree(full[0], root)
    lose(root / "store.db")
    storectl = Runner(root, capfdbinary)
    report = storectl.json("rescue", "--json")
    assert report["Losses"] == []
    assert (report["SetAside"] == "") == (lose is delete)
    storectl("fsck")
    with Store.open(root, clock=lambda: NOW) as store:
        after = contents(store)
        for part, value in before.items():
            assert after[part] == value, part
        assert store.inspect("big:1").parent == store.inspect("demo:1").image_id
        # The new log is whole: the store can be rescued again.
        assert len(log_documents(root)) == report["Manifests"] + len(
            {one.image_id for one in store.images(ImageFilter(include_intermediate=True))}
        )
    storectl("gc")
    with Store.open(root, clock=lambda: NOW) as store:
        assert contents(store) == before
    if report["SetAside"]:
        assert (root / report["SetAside"] / "store.db").exists()


def test_a_dry_run_changes_nothing(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    (root / "store.db").unlink()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    storectl = Runner(root, capfdbinary)
    tried = storectl.json("rescue", "--dry-run", "--json")
    assert tried["DryRun"]
    assert before == {
        path: path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and path.name != "write.lock"
    } | {root / "write.lock": before[root / "write.lock"]}
    done = storectl.json("rescue", "--json")
    assert {**tried, "DryRun": False} == done


def test_a_sound_catalogue_is_not_replaced(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    storectl = Runner(root, capfdbinary)
    storectl("rescue", code=6)
    assert "is sound" in storectl.err
    assert "--force" in storectl.err
    storectl("rescue", "--force")
    with Store.open(root, clock=lambda: NOW) as store:
        assert contents(store) == full[1]


def test_a_store_in_use_is_not_rescued(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    program = "import sys, time; f = open(sys.argv[1]); print('open', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", program, str(root / "store.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.readline()
        (root / "store.db").unlink()
        storectl = Runner(root, capfdbinary)
        storectl("rescue", code=10)
        assert f"process {user.pid}" in storectl.err
        user.kill()
    storectl("rescue")


def test_what_is_lost_is_said(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    with Store.open(root, clock=lambda: NOW) as store:
        wanted = store.inspect("big:1")
        files = {
            digest: store.blobs.path(digest)
            for digest in store.blobs.digests()
            if store.blobs.path(digest).stat().st_size > 100_000
        }
    (large,) = files.values()
    large.write_bytes(b"wrong" + large.read_bytes()[5:])
    (root / "store.db").unlink()
    storectl = Runner(root, capfdbinary)
    report = json.loads(storectl("rescue", "--json", code=5))
    subjects = {(one["Kind"], one["Subject"]) for one in report["Losses"]}
    assert ("image", str(wanted.image_id)) in subjects
    storectl("images")
    assert "big" in storectl.out
    path = tmp_path / "again.tar"
    path.write_bytes(image(A, C, LARGE, tags=("big:1",)).bytes())
    storectl("import", "-q", str(path))
    storectl("save", "-o", str(tmp_path / "big.tar"), "big:1")


def test_a_store_without_documents_says_so(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    shutil.rmtree(root / "documents")
    (root / "store.db").unlink()
    storectl = Runner(root, capfdbinary)
    files = [path for path in (root / "blobs").rglob("*") if path.is_file()]
    report = json.loads(storectl("rescue", "--json", code=5))
    assert [one["Kind"] for one in report["Losses"]] == ["log"]
    assert report["UnknownFiles"]["TotalCount"] == len(files)
    assert report["Images"] == 0
    storectl("gc")
    assert len(list((root / "quarantine").iterdir())) == len(files)


def test_a_damaged_log_loses_only_what_was_in_it(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    log = log_path(root)
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    (root / "store.db").unlink()
    storectl = Runner(root, capfdbinary)
    report = json.loads(storectl("rescue", "--json", code=5))
    assert report["Losses"][0]["Kind"] == "log"
    assert report["Images"] >= 3
    with Store.open(root) as store:
        assert {one.kind for one in store.fsck()} <= {"contradiction", "missing", "orphan"}


def test_a_removed_tag_does_not_come_back(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    (root / "store.db").unlink()
    storectl = Runner(root, capfdbinary)
    storectl("rescue")
    storectl("inspect", "gone:1", code=3)
    storectl("inspect", "team/other:1", code=3)
    moved = json.loads(storectl("inspect", "moved:1"))
    demo = json.loads(storectl("inspect", "demo:1"))
    assert moved[0]["Id"] == demo[0]["Id"]


def test_an_interrupted_rescue_can_be_run_again(
    full: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    """Kill the process at each rename, and at other moments."""
    program = (
        "import os, sys\n"
        "left = int(sys.argv[2])\n"
        "def hook(event, args):\n"
        "    global left\n"
        "    if event in ('os.rename', 'os.remove', 'os.mkdir', 'sqlite3.connect'):\n"
        "        left -= 1\n"
        "        if left < 0:\n"
        "            os.kill(os.getpid(), 9)\n"
        "from storectl import cli\n"
        "sys.addaudithook(hook)\n"
        "sys.exit(cli.run(['--root', sys.argv[1], 'rescue', '-q']))\n"
    )
    killed = 0
    for number in range(0, 60, 3):
        root = tmp_path / f"store{number}"
        shutil.copytree(full[0], root)
        random_pages(root / "store.db")
        command = [sys.executable, "-c", program, str(root)]
        first = subprocess.run([*command, str(number)], capture_output=True, check=False)
        if first.returncode == 0:
            break
        assert first.returncode == -9, first.stderr
        killed += 1
        again = subprocess.run([*command, "999999"], capture_output=True, check=False)
        # It was complete when it was killed, or is complete now.
        assert again.returncode in (0, 6), again.stderr
        with Store.open(root, clock=lambda: NOW) as store:
            assert list(store.fsck()) == full[1]["findings"]
            assert store.images(ImageFilter(include_intermediate=True)) == full[1]["images"]
        shutil.rmtree(root)
    assert killed > 5


def test_a_store_that_was_rescued_can_lose_its_catalogue_and_its_log(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """The log that the first rescue has set aside has everything."""
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    storectl = Runner(root, capfdbinary)
    storectl("rescue", "--force")
    log_path(root).unlink()
    (root / "store.db").unlink()
    assert storectl.json("rescue", "--json")["Losses"] == []
    with Store.open(root, clock=lambda: NOW) as store:
        assert contents(store) == full[1]


def drop_document(root: Path, digest: Digest) -> None:
    """Write the document log again without one document."""
    writer, parts = BlockWriter(), []
    for frame in log_frames(log_path(root)):
        if isinstance(frame, bytes):
            left = [one for one in records.decode(frame) if one[1][0] != str(digest)]
            parts.append(writer.block(b"".join(records.encode(*one) for one in left)))
        elif isinstance(frame, Mark):
            parts.append(mark(frame))
    log_path(root).write_bytes(b"".join(parts))


def test_a_config_that_only_a_file_has_is_found(
    full: tuple[Path, dict[str, object]],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    root = tmp_path / "store"
    shutil.copytree(full[0], root)
    with Store.open(root, clock=lambda: NOW) as store:
        served = json.loads(Registry(store).manifest(APP, "1").data)
        config = Digest.parse(served["config"]["digest"])
        assert store.blobs.path(config).exists(), "a client has pushed it as a blob"
    (root / "store.db").unlink()
    drop_document(root, config)
    storectl = Runner(root, capfdbinary)
    assert storectl.json("rescue", "--json")["Losses"] == []
    with Store.open(root, clock=lambda: NOW) as store:
        assert contents(store)["tags"] == full[1]["tags"]
        assert store.inspect(str(config)).image_id.digest == config
    storectl("fsck")
