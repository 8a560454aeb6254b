"""The import command ends within limits of time and memory when an archive is hostile.

docs/adr/0011-ceilings-for-documents.md lists the ceilings.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import zstandard

from store import ImportOptions, Limits, Store, errors
from tests.support import tars
from tests.support.images import A, Archive, config, digest, image, layer
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode
from tests.support.traced_commands import environment
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB: Final = 1024 * 1024
LARGEST: Final = 64 * MIB
MEASURED: Final = """
import re, sys, time
from pathlib import Path
from storectl.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(int(code or 0), time.process_time(), int(peak) // 1024, file=sys.stderr)
"""


class Run(NamedTuple):
    code: int
    cpu_s: float
    peak_mib: int
    message: str


def within(folder: Path, archive: Path, *, piped: bool, cpu_s: float, peak_mib: int) -> Run:
    """Import an archive into a new store with the command; assert limits of time and memory.

    A run takes longer on a busy machine, and the number of chunks that wait for a thread varies. So
    it is enough if one of three runs stays within the limits.
    """
    for number in range(3):
        run = measured(folder / f"store-{number}", archive, piped=piped)
        if run.cpu_s <= cpu_s and run.peak_mib <= peak_mib:
            return run
    raise AssertionError(
        f"{run.cpu_s:.1f} s of {cpu_s} s, {run.peak_mib} MiB of {peak_mib} MiB: {run.message}"
    )


def measured(root: Path, archive: Path, *, piped: bool) -> Run:
    """Import an archive with the command; return its processor time, peak memory and message."""
    call = [
        sys.executable,
        "-c",
        MEASURED,
        "--root",
        str(root),
        "import",
        "-" if piped else str(archive),
    ]
    # Standard input has to be a pipe, so `cat` writes it; a file opened here would be seekable.
    source = subprocess.Popen(["cat", archive], stdout=subprocess.PIPE) if piped else None
    ended = subprocess.run(
        call,
        stdin=source.stdout if source else None,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=environment(),
    )
    if source is not None and source.stdout is not None:
        source.stdout.close()
        source.wait(PATIENCE_S)
    message, _, figures = ended.stderr.strip().rpartition("\n")
    code, cpu_s, peak_mib = figures.split()
    return Run(int(code), float(cpu_s), int(peak_mib), message)


def filled(before: bytes, unit: bytes, after: bytes) -> bytes:
    """Return a config of exactly the largest size: as many ``unit``s as fit, then white space."""
    head, tail = (
        b'{"rootfs":{"type":"layers","diff_ids":["%s"]}%s' % (digest(A).encode(), before),
        b"%s}" % after,
    )
    body = (unit * ((LARGEST - len(head) - len(tail)) // len(unit)))[:-1]
    return (head + body + tail).ljust(LARGEST)


DOCUMENTS: Final[dict[str, tuple[Callable[[], bytes], str | None]]] = {
    "white space": (lambda: filled(b"", b" ", b""), None),
    "a long string nobody asks for": (lambda: filled(b',"junk":"', b"a", b'"'), None),
    "a long string": (lambda: filled(b',"author":"', b"a", b'"'), "the limit is 16777216 bytes"),
    "tiny containers": (lambda: filled(b',"junk":[', b"[],", b"]"), "more than 250000 values"),
    "nested tiny containers": (
        lambda: filled(b',"junk":[', b"[{}],", b"]"),
        "more than 250000 values",
    ),
    "history": (
        lambda: filled(
            b',"history":[', b'{"created":"2020-01-01T00:00:00Z","empty_layer":true},', b"]"
        ),
        "more than 250000 values",
    ),
    "keys": (lambda: filled(b',"junk":{', b'"":0,', b"}"), "more than 250000 values"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_up_to_the_ceiling_costs_little_time_and_memory(
    tmp_path: Path, name: str
) -> None:
    make, refusal = DOCUMENTS[name]
    archive = tmp_path / "archive.tar"
    entry = {"Config": "c", "RepoTags": ["x:1"], "Layers": ["l"]}
    archive.write_bytes(Archive().file("l", A).file("c", make()).manifest(entry).bytes())
    run = within(
        tmp_path, archive, piped=name in {"white space", "tiny containers"}, cpu_s=5, peak_mib=150
    )
    assert run.code == (0 if refusal is None else 4)
    assert refusal is None or refusal in run.message
    archive.unlink()


def test_two_hundred_thousand_members_take_a_few_megabytes(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    with archive.open("wb") as out:
        for number in range(200_000):
            out.write(tars.member(b"%064x/layer" % number))
        out.write(image(A).bytes())
    # An empty run takes 60 MiB; with an object for each member it would take 150 MiB.
    assert within(tmp_path, archive, piped=False, cpu_s=60, peak_mib=115).code == 0


def refused(store: Store, archive: Archive, limits: Limits) -> errors.TooLarge:
    with pytest.raises(errors.TooLarge) as caught:
        store.import_archive(io.BytesIO(archive.bytes()), ImportOptions(limits=limits))
    assert not store.images()
    assert not list((store.root / "staging").iterdir())
    return caught.value


def test_documents_have_a_ceiling_together(store: Store) -> None:
    archive = Archive().file("l", A)
    entries = []
    for number in range(4):
        archive.file(f"c{number}", config(A, author=str(number)))
        # The same file under a second path is read again and counts again.
        entries += [
            {"Config": path, "RepoTags": None, "Layers": ["l"]}
            for path in (f"c{number}", f"./c{number}")
        ]
    archive.manifest(*entries)
    error = refused(store, archive, Limits(documents_bytes=1000))
    assert error.limit == 1000
    assert "document 'c" in error.message
    assert "in total" in error.message


def test_layers_of_one_image_have_a_ceiling(store: Store) -> None:
    assert (
        "the image has 4 layers: the limit is 3"
        in refused(store, image(A, A, A, A), Limits(layers=3)).message
    )
    store.import_archive(io.BytesIO(image(A, A, A).bytes()), ImportOptions(limits=Limits(layers=3)))


def labelled(name: str, count: int) -> bytes:
    return config(A, config={"Labels": {f"{name}{at}": "" for at in range(count)}})


def of_images(*configs: bytes) -> Archive:
    """Return a Docker archive of images that have one layer in common."""
    archive = Archive().file("l", A)
    for number, data in enumerate(configs):
        archive.file(f"c{number}", data)
    return archive.manifest(
        *(
            {"Config": f"c{number}", "RepoTags": [f"x:{number}"], "Layers": ["l"]}
            for number in range(len(configs))
        )
    )


def in_layout(*configs: bytes, both: bool, **members: object) -> Archive:
    """Return an OCI layout of images; ``both`` adds the ``manifest.json`` of Docker 25."""
    archive = Archive().file("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))

    def blob(data: bytes, media_type: str) -> dict[str, object]:
        archive.file(f"blobs/{digest(data).replace(':', '/')}", data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    layers = [blob(A, LAYER)]
    manifests = [
        blob(
            encode(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST,
                    "config": blob(data, CONFIG),
                    "layers": layers,
                    **members,
                }
            ),
            MANIFEST,
        )
        for data in configs
    ]
    archive.file("index.json", encode({"schemaVersion": 2, "manifests": manifests}))
    if both:
        entries = [
            {
                "Config": f"blobs/{digest(data).replace(':', '/')}",
                "RepoTags": None,
                "Layers": [f"blobs/{digest(A).replace(':', '/')}"],
            }
            for data in configs
        ]
        archive.manifest(*entries)
    return archive


@pytest.mark.parametrize("kind", ["docker", "layout", "both"])
def test_labels_have_ceilings_for_a_document_and_an_archive(store: Store, kind: str) -> None:
    def archive(*configs: bytes) -> Archive:
        return of_images(*configs) if kind == "docker" else in_layout(*configs, both=kind == "both")

    limits = Limits(labels=3, labels_in_archive=5)
    error = refused(store, archive(labelled("a", 4)), limits)
    assert error.message == (
        f"invalid config {digest(labelled('a', 4))}: 4 labels given, at most 3 allowed"
    )
    error = refused(store, archive(labelled("a", 3), labelled("b", 3)), limits)
    assert "at least 6 given, at most 5 allowed" in error.message
    # In an archive with both lists of images, each config is listed twice and counts once.
    few = archive(labelled("a", 3), labelled("b", 2))
    store.import_archive(io.BytesIO(few.bytes()), ImportOptions(limits=limits))
    assert len(store.images()) == 2


def test_annotations_of_imported_manifests_have_the_ceiling_of_labels(store: Store) -> None:
    archive = in_layout(config(A), both=False, annotations={f"{at}": "" for at in range(4)})
    assert (
        "4 annotations given, at most 3 allowed"
        in refused(store, archive, Limits(labels=3)).message
    )
    store.import_archive(io.BytesIO(archive.bytes()), ImportOptions(limits=Limits(labels=4)))


def test_labels_of_old_images_have_a_ceiling(store: Store) -> None:
    archive = Archive().file("repositories", b"{}")
    members = {"id": "a", "config": {"Labels": {f"{at}": "" for at in range(4)}}}
    archive.directory("a/").file("a/json", json.dumps(members).encode()).file("a/layer.tar", A)
    assert "4 labels given, at most 3 allowed" in refused(store, archive, Limits(labels=3)).message


def test_a_small_archive_with_many_labels_costs_little(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    archive.write_bytes(of_images(*(labelled(f"{n}", 124_000) for n in range(10))).bytes())
    run = within(tmp_path, archive, piped=False, cpu_s=4, peak_mib=150)
    assert run.code == 4
    assert "124000 labels given, at most 10000 allowed" in run.message


def test_names_have_a_ceiling_together(store: Store) -> None:
    archive = Archive()
    for number in range(100):
        archive.file(f"folder/{number:03}", b"")
    assert refused(store, archive, Limits(name_bytes=300)).limit == 300
    # A folder's name counts once, however many members it holds.
    store.import_archive(
        io.BytesIO(archive.manifest().bytes()), ImportOptions(limits=Limits(name_bytes=330))
    )


def test_a_chain_of_old_images_cannot_grow_with_its_square(store: Store) -> None:
    archive = Archive()
    for number in range(40):
        document = {"id": f"{number}", **({"parent": f"{number - 1}"} if number else {})}
        archive.directory(f"{number}/").file(f"{number}/json", json.dumps(document).encode()).file(
            f"{number}/layer.tar", A
        )
    archive.file("repositories", b"{}")
    assert (
        "together have more than 50000 bytes"
        in refused(store, archive, Limits(documents_bytes=50_000)).message
    )


def test_small_members_of_a_stream_wait_in_one_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.importing.members.spool.BUFFER_BYTES", 4096)
    archive = Archive()
    for number in range(50):
        archive.file(f"junk{number}", b"x" * 500)
    archive.file("l", A).file("c", config(A)).manifest(
        {"Config": "c", "RepoTags": ["x:1"], "Layers": ["l"]}
    )
    report = store.import_archive(io.BytesIO(archive.bytes()))
    assert report.lines == ("Loaded image: x:1",)
    assert not list(store.fsck())
    assert not list((store.root / "staging").iterdir())


@pytest.mark.parametrize("is_compressed", [True, False])
def test_the_ratio_holds_for_compressed_layers_in_a_compressed_archive(
    tmp_path: Path, *, is_compressed: bool
) -> None:
    """Each level keeps the ratio. The product of both levels is 20 times as large."""
    zeros = layer("zeros", bytes(24 * MIB))
    archive = (
        Archive()
        .file("0/layer.tar", gzip.compress(zeros, mtime=0))
        .file("config.json", config(zeros))
        .manifest({"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["0/layer.tar"]})
        .bytes()
    )
    limits = Limits(ratio=1100, free_bytes=MIB)
    source = io.BytesIO(gzip.compress(archive, mtime=0) if is_compressed else archive)
    with Store.open(tmp_path / "store", create=True) as store:
        if not is_compressed:
            store.import_archive(source, ImportOptions(limits=limits))
            return
        with pytest.raises(errors.TooLarge, match="data of all members"):
            store.import_archive(source, ImportOptions(limits=limits))


def test_the_ratio_holds_for_sparse_members_in_a_compressed_archive(tmp_path: Path) -> None:
    member = tars.sparse_member(b"0/layer.tar", bytes(512), 8 * MIB, [(0, 512)], "0.1")
    archive = gzip.compress(member + bytes(64 * 1024), mtime=0)
    limits = Limits(ratio=1000, free_bytes=MIB)
    with (
        Store.open(tmp_path / "store", create=True) as store,
        pytest.raises(errors.TooLarge, match="sparse members"),
    ):
        store.import_archive(io.BytesIO(archive), ImportOptions(limits=limits))


@pytest.mark.parametrize("is_piped", [True, False])
def test_the_ratio_holds_for_compressed_layers_in_sparse_members(
    tmp_path: Path, *, is_piped: bool
) -> None:
    """The hole is a skippable frame. It must not count as input of the decoder."""
    zeros = layer("zeros", bytes(24 * MIB))
    head = zstandard.compress(zeros) + struct.pack("<II", 0x184D2A50, MIB)
    size_bytes = len(head) + MIB
    archive = (
        tars.sparse_member(b"0/layer.tar", head, size_bytes, [(0, len(head))], "0.1")
        + Archive()
        .file("config.json", config(zeros))
        .manifest({"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["0/layer.tar"]})
        .bytes()
    )
    (tmp_path / "a.tar").write_bytes(archive)
    source = io.BytesIO(archive) if is_piped else tmp_path / "a.tar"
    limits = Limits(ratio=1000, free_bytes=MIB)
    with (
        Store.open(tmp_path / "store", create=True) as store,
        pytest.raises(errors.TooLarge, match="data of all members"),
    ):
        store.import_archive(source, ImportOptions(limits=limits))


@pytest.mark.parametrize("kind", ["file", "pipe", "folder"])
def test_the_ratio_holds_for_all_layers_together(tmp_path: Path, kind: str) -> None:
    """Each tiny layer alone may decode to the free bytes, but all of them may not."""
    plain = [layer(f"zeros-{number}", bytes(MIB // 2)) for number in range(40)]
    files = {f"{at}.tar": bz2.compress(one) for at, one in enumerate(plain)}
    files["c.json"] = config(*plain)
    files["manifest.json"] = json.dumps([{"Config": "c.json", "Layers": list(files)[:-1]}]).encode()
    archive = Archive()
    for name, data in files.items():
        archive.file(name, data)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a.tar").write_bytes(archive.bytes())
    source: Path | io.BytesIO = tmp_path / "a.tar"
    if kind != "file":
        source = tmp_path if kind == "folder" else io.BytesIO(archive.bytes())
    limits = Limits(ratio=100, free_bytes=MIB)
    with (
        Store.open(tmp_path / "store", create=True) as store,
        pytest.raises(errors.TooLarge, match="data of all members"),
    ):
        store.import_archive(source, ImportOptions(limits=limits))


def test_the_extents_of_all_sparse_members_have_a_ceiling(tmp_path: Path) -> None:
    """A map of one MiB lists 170,000 extents. All maps would be in memory at once."""
    extents = [(0, 0)] * 1000
    member = tars.sparse_member(b"junk", b"", 512, extents, "0.1")
    (tmp_path / "a.tar").write_bytes(member * 5 + bytes(1024))
    with (
        Store.open(tmp_path / "store", create=True) as store,
        pytest.raises(errors.TooLarge, match="more than 4999 extents"),
    ):
        store.import_archive(tmp_path / "a.tar", ImportOptions(limits=Limits(sparse_extents=4999)))
