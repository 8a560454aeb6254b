"""What each verb asks of the store, what it prints, and where."""

from __future__ import annotations

import io
import json
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

import exporter
from store import Compression, ImageFilter, Limits, Reference, Store, errors
from store.catalog.events import Event
from store.formats.image.config import ImageConfig
from store.importing.report import ImportedTag, ImportReport
from store.maintenance.reports import CollectionReport, Finding, Severity
from store.model.contents import Codec, ContentState, StoredEncoding
from store.model.digests import ChainID, DiffID, Digest
from store.names.tagging import RemovedName
from store.queries.details import ImageDetails, LayerDetails, ManifestDetails
from store.queries.results import ImageSummary, TaggedReference
from store.queries.usage import ImageUsage, Usage, UsageRow
from storectl import settings
from storectl.commands import events
from storectl.commands.completion import BASH
from tests.unit.storectl.conftest import NOW, image_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.unit.storectl.conftest import FakeStore, Shell

ONE, TWO = image_id("one"), image_id("two")
MANIFEST = Digest.of(b"manifest")
PRESENT = Digest.of(b"blob")


def as_json(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text)


# --- import ---------------------------------------------------------------------------------------


def imported(**changes: Any) -> ImportReport:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "images": (ONE,),
        "tags": (ImportedTag(Reference.parse("x:1"), ONE, TWO),),
        "lines": ("Loaded image: x:1\x1b",),
        "notes": ("a note",),
        "changed": True,
        "new_images": 1,
        "new_layers": 2,
        "new_bytes": 1234,
        "read_bytes": 5678,
    }
    return ImportReport(**(fields | changes))


def test_import_says_what_docker_says_and_the_rest_elsewhere(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported()
    assert shell("import", "a.tar") == "Loaded image: x:1\\x1b\n"
    assert shell.err == "note: a note\n1 new image(s), 2 new layer(s), 1.23kB stored\n"
    assert shell("import", "-q", "a.tar") == "Loaded image: x:1\\x1b\n"
    assert shell.err == ""


def test_import_says_that_nothing_is_new(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported(changed=False, notes=(), new_images=0, new_layers=0)
    shell("load", "a.tar")
    assert shell.err == "nothing new: everything in this archive is already in the store\n"


def test_import_says_also_that_only_a_tag_moved(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported(notes=(), new_images=0, new_layers=0, new_bytes=0)
    shell("load", "a.tar")
    assert shell.err == "0 new image(s), 0 new layer(s), 0B stored\n"


def test_import_hands_on_its_options_and_the_archives_in_order(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["import_archive"] = imported()
    shell(
        "import",
        "--compression",
        "zstd:9",
        "--max-layer-size",
        "2GiB",
        "b.tar",
        "-i",
        "a.tar",
        "c.tar",
    )
    assert [arguments[0] for _, arguments, _ in fake.asked] == [
        Path("a.tar"),
        Path("b.tar"),
        Path("c.tar"),
    ]
    options = fake.asked[0][1][1]
    assert options.compression == Compression(9)
    assert options.limits == Limits(layer_bytes=2 * 1024**3)
    assert options.source_name == "a.tar"


def test_import_makes_the_store(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def take_in(*_arguments: object) -> ImportReport:
        seen.append(fake.opened)
        return imported()

    monkeypatch.setattr(fake, "import_archive", take_in, raising=False)
    shell("import", "a.tar")
    assert seen == [{"create": True}]


def test_import_reports_as_json_also_what_was_in_before_an_error(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["import_archive"] = imported()
    (report,) = as_json(shell("import", "--json", "a.tar"))
    assert report == {
        "source": "a.tar",
        "images": [str(ONE)],
        "tags": [{"name": "x:1", "image": str(ONE), "manifest": None, "replaced": str(TWO)}],
        "notes": ["a note"],
        "changed": True,
        "newImages": 1,
        "newLayers": 2,
        "newBytes": 1234,
        "readBytes": 5678,
    }
    assert shell.err == ""
    fake.answers["import_archive"] = {
        Path("a.tar"): imported(tags=()),
        Path("bad.tar"): errors.InvalidArchive("bad"),
    }
    assert [
        one["source"] for one in as_json(shell("import", "--json", "a.tar", "bad.tar", code=4))
    ] == ["a.tar"]
    assert shell("import", "--json", "bad.tar", code=4) == ""


@pytest.mark.parametrize("arguments", [(), ("-",), ("-i", "-")])
def test_import_reads_standard_input(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"archive"))
    monkeypatch.setattr("sys.stdin", stdin)
    fake.answers["import_archive"] = imported()
    shell("import", *arguments)
    assert fake.asked[0][1][0] is stdin.buffer
    assert fake.asked[0][1][1].source_name == "-"


def test_import_refuses_a_terminal_a_closed_input_and_reading_twice(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    shell("import", code=2)
    assert "it is a terminal" in shell.err
    monkeypatch.setattr("sys.stdin", None)
    shell("import", code=2)
    assert "it is closed" in shell.err
    shell("import", "-i", "-", "-", code=2)
    assert "only once" in shell.err
    assert fake.asked == []


def test_import_refuses_unknown_options(shell: Shell) -> None:
    shell("import", "--max-layer-size", "much", "a.tar", code=2)
    assert "invalid size 'much'" in shell.err
    shell("import", "--compression", "lzma", "a.tar", code=4)
    assert "invalid compression" in shell.err


# --- save -----------------------------------------------------------------------------------------


class FakeExport:
    images = (ONE,)
    size_bytes = 7
    notes = ("a note\x1b",)

    def __init__(self) -> None:
        self.error: Exception | None = None

    def write(self, sink: BinaryIO, _progress: object) -> None:
        sink.write(b"archive")
        if self.error is not None:
            raise self.error


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> FakeExport:
    fake = FakeExport()

    @contextmanager
    def open_save(
        _store: object, names: Sequence[str], *, options: exporter.SaveOptions
    ) -> Iterator[FakeExport]:
        assert (list(names), options.format) == (["x", "y:1"], "legacy")
        yield fake

    monkeypatch.setattr(exporter, "open_save", open_save)
    return fake


def test_save_to_a_file(shell: Shell, export: FakeExport, tmp_path: Path) -> None:
    target = tmp_path / "out.tar"
    assert shell("save", "-o", str(target), "x", "y:1") == ""
    assert shell.err == "note: a note\\x1b\n"
    assert target.read_bytes() == b"archive"
    assert as_json(shell("export", "-q", "--json", "-o", str(target), "x", "y:1")) == {
        "output": str(target),
        "format": "legacy",
        "images": [str(ONE)],
        "size": 7,
    }
    assert shell.err == ""
    del export


def test_save_that_fails_leaves_no_file(shell: Shell, export: FakeExport, tmp_path: Path) -> None:
    export.error = errors.DamagedContent("rotten", digest=PRESENT)
    shell("save", "--json", "-o", str(tmp_path / "out.tar"), "x", "y:1", code=5)
    assert shell.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("-o", "-")])
def test_save_to_standard_output(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    del shell, export
    from storectl import cli

    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", out)
    assert cli.run(["save", *arguments, "x", "y:1"]) == 0
    assert out.buffer.getvalue() == b"archive"


@pytest.mark.parametrize(("number", "code"), [(28, 7), (5, 10), (32, 141)])
def test_save_to_a_standard_output_that_fails(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setattr("storectl.cli._discard_output", lambda: None)
    export.error = OSError(number, "no")
    shell("save", "x", "y:1", code=code)
    assert ("standard output: no" in shell.err) is (code != 141)


def test_save_refuses_a_terminal(
    shell: Shell, export: FakeExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    del export
    shell("save", "--json", "x", code=2)
    assert "--json needs -o" in shell.err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shell("save", "x", code=2)
    assert (
        shell.err.splitlines()[0]
        == "storectl: error: Cowardly refusing to save to a terminal. Use the -o flag or redirect."
    )
    monkeypatch.setattr("sys.stdout", None)
    shell("save", "x", code=2)


# --- images ---------------------------------------------------------------------------------------


def tagged(*names: str) -> tuple[TaggedReference, ...]:
    return tuple(TaggedReference(Reference.parse(name), MANIFEST) for name in names)


def summary(image: Any, *names: str, **changes: Any) -> ImageSummary:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "created": NOW - timedelta(days=3),
        "size_bytes": 4096,
        "parent": None,
        "dangling": not names,
        "intermediate": False,
    }
    return ImageSummary(
        image_id=image, references=tagged(*names), manifests=(MANIFEST,), **(fields | changes)
    )


@pytest.fixture
def listed(fake: FakeStore) -> FakeStore:
    fake.answers["images"] = (
        summary(ONE, "x:1", "registry.example.com/team/app:2"),
        summary(TWO, created=None, parent=ONE),
    )
    return fake


def test_images_are_listed_in_dockers_columns(shell: Shell, listed: FakeStore) -> None:
    del listed
    one, two = ONE.digest.short, TWO.digest.short
    assert shell("images").splitlines() == [
        "REPOSITORY                      TAG       IMAGE ID       CREATED      SIZE",
        f"x                               1         {one}   3 days ago   4.1kB",
        f"registry.example.com/team/app   2         {one}   3 days ago   4.1kB",
        f"<none>                          <none>    {two}   N/A          4.1kB",
    ]
    with_digests = shell("ls", "--digests", "--no-trunc").splitlines()
    assert with_digests[0].split() == [
        "REPOSITORY",
        "TAG",
        "DIGEST",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert with_digests[1].split()[:4] == ["x", "1", str(MANIFEST), str(ONE)]
    assert with_digests[3].split()[:4] == ["<none>", "<none>", "<none>", str(TWO)]


def test_images_ids_are_one_for_each_line_of_the_table_as_dockers(
    shell: Shell, listed: FakeStore
) -> None:
    del listed
    assert shell("images", "-q").split() == [ONE.digest.short, ONE.digest.short, TWO.digest.short]
    assert shell("images", "-q", "--no-trunc").split() == [str(ONE), str(ONE), str(TWO)]


def test_images_as_json(shell: Shell, listed: FakeStore) -> None:
    del listed
    lines = [json.loads(line) for line in shell("images", "--format", "json").splitlines()]
    assert lines[0] == {
        "Containers": "N/A",
        "CreatedAt": "2025-12-30 03:04:05 +0000 UTC",
        "CreatedSince": "3 days ago",
        "Digest": str(MANIFEST),
        "ID": ONE.digest.short,
        "Repository": "x",
        "SharedSize": "N/A",
        "Size": "4.1kB",
        "Tag": "1",
        "UniqueSize": "N/A",
        "VirtualSize": "4.1kB",
    }
    assert len(lines) == 3
    assert as_json(shell("images", "--json"))[1] == {
        "id": str(TWO),
        "tags": [],
        "manifests": [str(MANIFEST)],
        "created": None,
        "size": 4096,
        "parent": str(ONE),
        "dangling": True,
        "intermediate": False,
    }


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ((), ImageFilter()),
        (("-a",), ImageFilter(include_intermediate=True)),
        (("x:1",), ImageFilter(references=("x:1",))),
        (
            ("--filter", "reference=a*", "--filter", "reference=b"),
            ImageFilter(references=("a*", "b")),
        ),
        (("--filter", "label=k=v", "-f", "label=k"), ImageFilter(labels=("k=v", "k"))),
        (("-f", "dangling=true"), ImageFilter(dangling=True)),
        (("-f", "dangling=0"), ImageFilter(dangling=False)),
        (("-f", "before=x:1", "-f", "since=y"), ImageFilter(before="x:1", since="y")),
    ],
)
def test_images_filters(
    shell: Shell, fake: FakeStore, arguments: tuple[str, ...], asked: ImageFilter
) -> None:
    fake.answers["images"] = ()
    assert shell("images", *arguments).split() == [
        "REPOSITORY",
        "TAG",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert fake.asked == [("images", (asked,), {}), ("manifests", (asked,), {})]


@pytest.mark.parametrize("text", ["dangling", "color=red", "label=", "dangling=maybe", "=x"])
def test_images_refuses_what_is_no_filter(shell: Shell, text: str) -> None:
    shell("images", "--filter", text, code=2)


def test_images_before_two_images_is_refused(shell: Shell) -> None:
    shell("images", "-f", "before=a", "-f", "before=b", code=2)


# --- names ----------------------------------------------------------------------------------------


def test_tag_is_silent_as_dockers(shell: Shell, fake: FakeStore) -> None:
    fake.answers["tag"] = SimpleNamespace(
        reference=Reference.parse("y:1"), image_id=ONE, replaced=None
    )
    assert shell("tag", "x", "y:1") == ""
    assert as_json(shell("tag", "--json", "x", "y:1")) == {
        "name": "y:1",
        "image": str(ONE),
        "replaced": None,
    }
    fake.answers["tag"] = SimpleNamespace(
        reference=Reference.parse("y:1"), image_id=ONE, replaced=TWO
    )
    assert as_json(shell("tag", "--json", "x", "y:1"))["replaced"] == str(TWO)
    assert fake.asked[0] == ("tag", ("x", "y:1"), {})


def test_untag(shell: Shell, fake: FakeStore) -> None:
    fake.answers["untag"] = {
        "x:1": (RemovedName("untagged", "x:1"),),
        "y": errors.ReferenceNotFound("No such tag: y"),
    }
    assert shell("untag", "x:1") == "Untagged: x:1\n"
    assert as_json(shell("untag", "--json", "y", "x:1", code=3)) == [{"untagged": "x:1"}]


def test_rm_goes_on_after_a_name_that_cannot_be_removed_and_ends_with_its_code(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["remove"] = {
        "x:1": (RemovedName("untagged", "x:1"), RemovedName("deleted", str(ONE))),
        "used": errors.ImageInUse("in use", hint="untag it"),
        "gone": errors.ImageNotFound("No such image: gone"),
    }
    assert shell("rm", "used", "gone", "x:1", code=6) == f"Untagged: x:1\nDeleted: {ONE}\n"
    assert (
        shell.err
        == "storectl: error: in use\nhint: untag it\nstorectl: error: No such image: gone\n"
    )
    assert as_json(shell("rmi", "--json", "-f", "--no-prune", "x:1")) == [
        {"untagged": "x:1"},
        {"deleted": str(ONE)},
    ]
    assert fake.asked[-1] == ("remove", ("x:1",), {"force": True, "prune_parents": False})


def test_rm_stops_when_the_store_cannot_be_changed(shell: Shell, fake: FakeStore) -> None:
    fake.answers["remove"] = errors.ReadOnlyStore("read-only")
    shell("rm", "x:1", "y:1", code=8)
    assert len(fake.asked) == 1


# --- inspect and history --------------------------------------------------------------------------

DIFFS = (DiffID(Digest.of(b"base")), DiffID(Digest.of(b"top")))


def details(
    *,
    parent: Any = None,  # noqa: ANN401
    layers: int = 2,
    last_tagged: datetime | None = NOW,
    **members: Any,  # noqa: ANN401
) -> ImageDetails:
    diffs = DIFFS[:layers]
    document = {
        "os": "linux",
        "architecture": "arm64",
        **members,
        "rootfs": {"type": "layers", "diff_ids": [str(diff) for diff in diffs]},
    }
    chains = ChainID.each(diffs) if diffs else ()
    return ImageDetails(
        image_id=ONE,
        config=ImageConfig.parse(json.dumps(document).encode()),
        references=tagged("x:2", "x:1", "y:1"),
        manifests=(
            ManifestDetails(
                MANIFEST, "application/vnd.oci.image.manifest.v1+json", 99, deterministic=True
            ),
        ),
        layers=tuple(
            LayerDetails(
                diff,
                chain,
                2048,
                ContentState.PRESENT,
                (StoredEncoding(PRESENT, Codec.ZSTD, 55, seekable=True),),
                ("https://example.com/layer",) if position else (),
            )
            for position, (diff, chain) in enumerate(zip(diffs, chains, strict=True))
        ),
        parent=parent,
        children=(TWO,),
        last_tagged=last_tagged,
    )


DOCKERS_KEYS = [
    "Id",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "Container",
    "ContainerConfig",
    "DockerVersion",
    "Author",
    "Config",
    "Architecture",
    "Variant",
    "Os",
    "OsVersion",
    "Size",
    "VirtualSize",
    "RootFS",
    "Metadata",
]


def test_inspect_has_dockers_fields_in_their_order_and_then_ours(
    shell: Shell, fake: FakeStore
) -> None:
    members: dict[str, Any] = {
        "variant": "v8",
        "os.version": "10.0",
        "config": {"Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}},
        "created": "2020-01-01T00:00:00.5+01:00",
    }
    fake.answers["inspect"] = details(parent=TWO, **members)
    (shown,) = as_json(shell("inspect", "x:1"))
    assert list(shown) == [*DOCKERS_KEYS, "Layers", "Manifests", "Children"]
    assert shown["RepoTags"] == ["x:2", "x:1", "y:1"]
    assert shown["RepoDigests"] == [f"x@{MANIFEST}", f"y@{MANIFEST}"]
    assert shown["Parent"] == str(TWO)
    assert shown["Created"] == "2020-01-01T00:00:00.5+01:00"
    assert shown["Config"]["Env"] == ["A=1"]
    assert shown["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert list(shown["Config"])[:3] == ["Hostname", "Domainname", "User"]
    assert shown["Size"] == shown["VirtualSize"] == 4096
    assert shown["Metadata"] == {"LastTagTime": "2026-01-02T03:04:05Z"}
    assert shown["Layers"][1] == {
        "DiffID": str(DIFFS[1]),
        "ChainID": str(ChainID.of(DIFFS)),
        "Size": 2048,
        "State": "present",
        "Blobs": [{"Digest": str(PRESENT), "Codec": "zstd", "Size": 55, "Seekable": True}],
        "URLs": ["https://example.com/layer"],
    }
    assert shown["Manifests"] == [
        {
            "Digest": str(MANIFEST),
            "MediaType": "application/vnd.oci.image.manifest.v1+json",
            "Size": 99,
            "Deterministic": True,
        }
    ]
    assert shown["Children"] == [str(TWO)]


def test_inspect_leaves_out_what_docker_leaves_out(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = details(layers=0, last_tagged=None)
    (shown,) = as_json(shell("inspect", "--json", "x:1"))
    assert [key for key in DOCKERS_KEYS if key not in shown] == ["Variant", "OsVersion"]
    assert shown["Config"] is None
    assert shown["ContainerConfig"]["Env"] is None
    assert shown["Parent"] == ""
    assert shown["RootFS"] == {"Type": "layers"}
    assert shown["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


def test_inspect_takes_the_last_steps_comment_for_want_of_its_own_and_a_template(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["inspect"] = details(history=[{"comment": "first"}, {"comment": "las\x1bt"}])
    assert shell("inspect", "-f", "{{.Comment}}\t{{len .RepoTags}}", "x:1") == "las\\x1bt\t3\n"
    shell("inspect", "-f", "{{.Comment}}", "--json", "x:1", code=2)


def test_inspect_shows_what_it_finds(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = {"x": details(), "y": errors.ImageNotFound("No such image: y")}
    fake.answers["inspect_manifest"] = errors.ImageNotFound("No such image: y")
    assert len(as_json(shell("inspect", "y", "x", code=3))) == 1
    assert as_json(shell("inspect", "y", code=3)) == []


HISTORY = [
    {
        "created": "2025-12-30T03:04:05Z",
        "created_by": "/bin/sh -c #(nop) ADD\tfile:0123456789abcdef0123456789abcdef in /",
    },
    {"created_by": "ENV A=1\x1b[2J", "empty_layer": True, "comment": "a comment"},
    {"created": "2026-01-02T03:04:04Z", "created_by": "RUN true"},
]


def test_history_is_newest_first_in_dockers_columns(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = {"x:1": details(history=HISTORY, parent=TWO), str(TWO): details()}
    assert shell("history", "x:1").splitlines() == [
        (
            "IMAGE          CREATED        CREATED BY                                      SIZE    "
            "  COMMENT"
        ),
        (
            f"{ONE.digest.short}   1 second ago   RUN true                                       "
            " 2.05kB"
        ),
        (
            f"{TWO.digest.short}   N/A            ENV A=1\\x1b[2J                                 "
            " 0B        a comment"
        ),
        "<missing>      3 days ago     /bin/sh -c #(nop) ADD file:0123456789abcdef0…   2.05kB",
    ]
    plain = shell("history", "--no-human", "--no-trunc", "x:1").splitlines()
    assert plain[0].split() == ["IMAGE", "CREATED", "AT", "CREATED", "BY", "SIZE", "COMMENT"]
    assert plain[3].split()[:2] == ["<missing>", "2025-12-30T03:04:05Z"]
    assert plain[3].split()[-4:] == ["file:0123456789abcdef0123456789abcdef", "in", "/", "2048"]
    assert shell("history", "-q", "x:1").split() == [
        ONE.digest.short,
        TWO.digest.short,
        "<missing>",
    ]
    assert shell("history", "-q", "--no-trunc", "x:1").split() == [str(ONE), str(TWO), "<missing>"]


def test_history_as_json(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = details(history=HISTORY)
    assert json.loads(shell("history", "--format", "json", "x:1").splitlines()[1]) == {
        "Comment": "a comment",
        "CreatedAt": "N/A",
        "CreatedBy": "ENV A=1\x1b[2J",
        "CreatedSince": "N/A",
        "ID": "<missing>",
        "Size": "0B",
    }
    assert as_json(shell("history", "--json", "x:1"))[0] == {
        "id": str(ONE),
        "created": "2026-01-02T03:04:04Z",
        "createdBy": "RUN true",
        "size": 2048,
        "comment": "",
    }


# --- events ---------------------------------------------------------------------------------------


def test_events(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = (
        Event(NOW, "import", str(ONE), {"name": "x:1\x1b", "a": "b"}),
        Event(NOW + timedelta(microseconds=5), "gc", "", {}),
    )
    assert shell("events").splitlines() == [
        f"2026-01-02T03:04:05.000000000Z image import {ONE} (a=b, name=x:1\\x1b)",
        "2026-01-02T03:04:05.000005000Z image gc ",
    ]
    assert as_json(shell("events", "--json"))[0] == {
        "time": "2026-01-02T03:04:05Z",
        "action": "import",
        "target": str(ONE),
        "attributes": {"name": "x:1\x1b", "a": "b"},
    }


def test_events_as_dockers_objects(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = (
        Event(NOW + timedelta(microseconds=5), "tag", str(ONE), {"name": "x:1"}),
    )
    assert [
        json.loads(line)
        for line in shell("events", "--format", "json", "--filter", "type=image").splitlines()
    ] == [
        {
            "status": "tag",
            "id": str(ONE),
            "Type": "image",
            "Action": "tag",
            "Actor": {"ID": str(ONE), "Attributes": {"name": "x:1"}},
            "scope": "local",
            "time": 1767323045,
            "timeNano": 1767323045000005000,
        }
    ]
    assert shell("events", "--filter", "type=container") == ""


def test_events_are_followed_until_a_moment(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = [NOW]
    recorded = [Event(NOW, "tag", str(ONE), {"name": "x:1"})]
    asked: list[datetime] = []

    def found(*, since: datetime, until: datetime, actions: list[str]) -> list[Event]:
        assert not actions
        asked.append(since)
        return [event for event in recorded if since <= event.at <= until]

    fake.events = found  # type: ignore[attr-defined]  # instead of one answer for all

    def sleep(_seconds: float) -> None:
        hour[0] += timedelta(minutes=1)
        recorded.append(Event(hour[0], "untag", str(ONE), {"name": f"x:{len(recorded)}"}))

    monkeypatch.setattr(
        settings,
        "resolve",
        lambda *_args, **_options: settings.Settings(Path("/x"), now=lambda: hour[0], sleep=sleep),
    )
    monkeypatch.setattr(events, "_MAX_REREAD_EVENTS", 1)
    shown = shell("events", "--follow", "--until", "-2m").splitlines()
    assert [line.rpartition("name=")[2] for line in shown] == ["x:1)", "x:1)", "x:2)"]
    assert asked[0] == NOW
    assert asked[-1] > NOW, "the oldest are not read again and again"
    shell("events", "--follow", "--json", code=2)


def test_events_between_moments_of_some_kinds(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = ()
    assert (
        shell(
            "events",
            "--since",
            "10m",
            "--until",
            "2026-01-02T03:00:00Z",
            "-f",
            "event=tag",
            "-f",
            "event=untag",
        )
        == ""
    )
    assert fake.asked == [
        (
            "events",
            (),
            {
                "since": NOW - timedelta(minutes=10),
                "until": datetime(2026, 1, 2, 3, tzinfo=UTC),
                "actions": ["tag", "untag"],
            },
        )
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("known", ["import", "tag"]),
        ("gone:1", ["delete"]),
        ("gone", ["delete"]),
        (TWO.digest.hex[:12], ["delete", "gc"]),
        (str(TWO), ["delete", "gc"]),
        ("abcd", []),
        ("not-there", []),
        ("Bad Name", []),
    ],
)
def test_events_of_images_also_of_those_that_are_gone(
    shell: Shell, fake: FakeStore, wanted: str, found: list[str]
) -> None:
    class Names(dict[str, Any]):
        def __missing__(self, key: str) -> Exception:
            return errors.ImageNotFound(key)

    fake.answers["inspect"] = Names({"known": details()})
    fake.answers["events"] = (
        Event(NOW, "import", str(ONE), {"name": "x:1"}),
        Event(NOW, "tag", str(ONE), {"name": "y:1"}),
        Event(NOW, "delete", str(TWO), {"name": "gone:1"}),
        Event(NOW, "gc", str(TWO), {}),
    )
    assert [
        one["action"] for one in as_json(shell("events", "--json", "--filter", f"image={wanted}"))
    ] == found


@pytest.mark.parametrize(
    "arguments",
    [("--filter", "x=y"), ("--filter", "event="), ("--since", "yesterday"), ("--until", "soon")],
)
def test_events_refuses_what_it_cannot_understand(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell("events", *arguments, code=2)


# --- upkeep ---------------------------------------------------------------------------------------

USAGE = Usage(
    rows=(
        UsageRow("Images", 2, 1, 6144, 2048),
        UsageRow("Layers", 2, 1, 4096, 2048),
        UsageRow("Blobs", 0, 0, 0, 0),
    ),
    images=(
        ImageUsage(
            ONE,
            (Reference.parse("x:1"), Reference.parse("y:1")),
            4096,
            2048,
            2048,
            NOW - timedelta(days=3),
        ),
        ImageUsage(TWO, (), 2048, 2048, 0, None),
    ),
    on_disk_bytes=123_456,
    database_bytes=100_000,
)


def test_df_shows_what_is_shared_on_disk_and_reclaimable(shell: Shell, fake: FakeStore) -> None:
    fake.answers["usage"] = USAGE
    expected = [
        "TYPE      TOTAL     ACTIVE    SIZE      RECLAIMABLE",
        "Images    2         1         6.144kB   2.048kB (33%)",
        "Layers    2         1         4.096kB   2.048kB (50%)",
        "Blobs     0         0         0B        0B",
        "",
        "on disk: 123.5kB, of which the database 100kB",
        "shared: 2.048kB more if every image had its layers to itself (uncompressed)",
    ]
    assert shell("df").splitlines() == expected
    assert shell("df", "-v").splitlines() == [
        *expected,
        "",
        "IMAGE ID       NAMES      CREATED      SIZE      SHARED SIZE   UNIQUE SIZE",
        f"{ONE.digest.short}   x:1, y:1   3 days ago   4.1kB     2.05kB        2.05kB",
        f"{TWO.digest.short}   <none>     N/A          2.05kB    2.05kB        0B",
    ]


def test_df_as_json(shell: Shell, fake: FakeStore) -> None:
    fake.answers["usage"] = USAGE
    shown = as_json(shell("df", "--json"))
    assert shown["rows"][0] == {
        "type": "Images",
        "total": 2,
        "active": 1,
        "size": 6144,
        "reclaimable": 2048,
    }
    assert shown["images"][0]["names"] == ["x:1", "y:1"]
    assert (shown["shared"], shown["onDisk"], shown["database"]) == (2048, 123_456, 100_000)


def collected(**changes: Any) -> CollectionReport:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "images": (ONE,),
        "manifests": 1,
        "layers": 2,
        "blobs": (PRESENT,),
        "freed_bytes": 1_234_567,
        "orphan_files": 1,
        "dead_operations": 0,
        "dry_run": False,
    }
    return CollectionReport(**(fields | changes))


def test_gc_says_what_went_or_would_go(shell: Shell, fake: FakeStore) -> None:
    fake.answers["collect"] = collected(dead_operations=1)
    assert shell("gc").splitlines() == [
        f"Deleted: {ONE}",
        "Deleted: 1 image(s), 2 layer(s), 2 file(s)",
        "Cleaned up after 1 operation(s) that were cut off",
        "Total reclaimed space: 1.235MB",
    ]
    fake.answers["collect"] = collected(dry_run=True)
    assert shell("gc", "--dry-run", "--dangling").splitlines() == [
        f"Would delete: {ONE}",
        "Would delete: 1 image(s), 2 layer(s), 2 file(s)",
        "Total reclaimable space: 1.235MB",
    ]
    assert [kwargs for _, _, kwargs in fake.asked] == [
        {"dry_run": False, "dangling": False},
        {"dry_run": True, "dangling": True},
    ]
    assert as_json(shell("gc", "--json")) == {
        "images": [str(ONE)],
        "manifests": 1,
        "layers": 2,
        "blobs": [str(PRESENT)],
        "freed": 1_234_567,
        "orphanFiles": 1,
        "deadOperations": 0,
        "dryRun": True,
    }


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [
        ("y\n", True),
        ("YES\n", True),
        ("n\n", False),
        ("\n", False),
        ("", False),
        ("yesterday\n", False),
    ],
)
def test_prune_asks(
    shell: Shell,
    fake: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    agreed: bool,
) -> None:
    fake.answers["collect"] = collected()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    out = shell("prune")
    assert "Are you sure you want to continue? [y/N] " in shell.err
    assert fake.asked == ([("collect", (), {"dangling": True})] if agreed else [])
    assert out.endswith(
        "Total reclaimed space: 1.235MB\n" if agreed else "Total reclaimed space: 0B\n"
    )


def test_prune_does_not_ask_when_told_so_and_nobody_is_no(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["collect"] = collected()
    assert as_json(shell("prune", "-f", "--json"))["images"] == [str(ONE)]
    assert shell.err == ""
    monkeypatch.setattr("sys.stdin", None)
    assert as_json(shell("prune", "--json"))["images"] == []


def test_fsck_lists_all_findings_and_ends_with_5_for_errors(shell: Shell, fake: FakeStore) -> None:
    rotten = Finding(
        Severity.ERROR,
        "damaged",
        str(PRESENT),
        "rotten\x1b",
        ("x:1", "y:1"),
        hint="import it again",
    )
    orphan = Finding(Severity.WARNING, "orphan", "f", "belongs to nothing")
    fake.answers["fsck"] = iter([rotten, orphan, rotten])
    assert shell("fsck", code=5).splitlines() == [
        "error: rotten\\x1b [affects x:1, y:1]",
        "warning: belongs to nothing",
        "error: rotten\\x1b [affects x:1, y:1]",
        "3 finding(s), 2 of them errors",
    ]
    assert shell.err == "hint: import it again\n"
    fake.answers["fsck"] = iter([orphan])
    assert shell("verify", "-q").splitlines()[-1] == "1 finding(s), 0 of them errors"
    fake.answers["fsck"] = iter([rotten])
    assert as_json(shell("fsck", "--json", code=5)) == [
        {
            "severity": "error",
            "kind": "damaged",
            "subject": str(PRESENT),
            "message": "rotten\x1b",
            "images": ["x:1", "y:1"],
            "hint": "import it again",
        }
    ]
    fake.answers["fsck"] = iter([])
    assert shell("fsck") == "clean: every digest, layer, chain and reference is sound\n"


# --- db, version, completion ----------------------------------------------------------------------


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, answer: object) -> None:
    monkeypatch.setattr(Store, name, staticmethod(lambda *_args, **_kwargs: answer))


def test_db_current(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current="0001", head="0002", is_current=False)
    )
    assert shell("db", "current") == "0001 (this program wants 0002)\n"
    assert as_json(shell("db", "current", "--json")) == {"current": "0001", "head": "0002"}
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current=None, head="0002", is_current=False)
    )
    assert shell("db", "current").startswith("none ")
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current="0002", head="0002", is_current=True)
    )
    assert shell("db", "current") == "0002 (up to date)\n"


def test_db_upgrade(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        monkeypatch,
        "upgrade",
        SimpleNamespace(before="0001", after="0002", backup=Path("store.db.bak")),
    )
    assert shell("db", "upgrade") == "upgraded from 0001 to 0002\n"
    assert shell.err == "the database as it was: store.db.bak\n"
    assert as_json(shell("db", "upgrade", "--json")) == {
        "before": "0001",
        "after": "0002",
        "backup": "store.db.bak",
    }
    stand_in(monkeypatch, "upgrade", SimpleNamespace(before=None, after="0002", backup=None))
    assert shell("db", "upgrade") == "upgraded from nothing to 0002\n"
    stand_in(monkeypatch, "upgrade", SimpleNamespace(before="0002", after="0002", backup=None))
    assert shell("db", "upgrade") == "already at 0002\n"
    assert as_json(shell("db", "upgrade", "--json"))["backup"] is None


def test_db_check_ends_with_5_when_there_is_drift(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "check_schema", ("a column is missing",))
    assert shell("db", "check", code=5) == "a column is missing\n1 difference(s)\n"
    assert as_json(shell("db", "check", "--json", code=5)) == ["a column is missing"]
    stand_in(monkeypatch, "check_schema", ())
    assert "no drift" in shell("db", "check")


def test_version(shell: Shell) -> None:
    lines = dict(line.split() for line in shell("version").splitlines())
    assert lines["storectl"] == "0.1.0"
    assert lines == as_json(shell("version", "--json"))
    assert {"python", "sqlite", "sqlalchemy"} <= lines.keys()


@pytest.mark.parametrize(
    ("shell_name", "marks"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef storectl"), ("fish", "complete --no-files")],
)
def test_completion_scripts(shell: Shell, shell_name: str, marks: str) -> None:
    script = shell("completion", shell_name)
    assert marks in script
    assert "_STORECTL_COMPLETE" in script
    assert as_json(shell("completion", shell_name, "--json")) == {
        "shell": shell_name,
        "script": script,
    }


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("storectl sa", ["save"]),
        ("storectl save x", ["x:1", "x:12"]),
        ("storectl save x:1", ["1", "12"]),
        ("storectl save localhost:5000/y:", ["2"]),
        ("storectl save ", ["x:1", "x:12"]),
    ],
)
def test_bash_completes_names_with_colons(tmp_path: Path, line: str, offered: list[str]) -> None:
    # The program is played: what it is asked must be the words of the line, colons and all.
    program = tmp_path / "storectl"
    program.write_text("""#!/bin/bash
        case "$COMP_CWORD|$COMP_WORDS" in
            "1|storectl sa") echo plain,save ;;
            "2|storectl save "|"2|storectl save x"|"2|storectl save x:1") printf 'plain,%s\\n' x:1 x:12 ;;
            "2|storectl save localhost:5000/y:") echo plain,localhost:5000/y:2 ;;
        esac
        """)
    program.chmod(0o755)
    script = f"""{BASH}
    compopt() {{ :; }}
    COMP_WORDBREAKS=$' \\t\\n"=;|&(:' COMP_LINE='{line}' COMP_POINT={len(line)}
    _storectl_completion {program}
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == offered
    assert done.stderr == ""
