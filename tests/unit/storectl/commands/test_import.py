"""`import`: the options passed to the store, and the output of the command."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store import Compression, Limits, Reference, errors
from store.importing.report import ImportedTag, ImportReport
from tests.support.fake_shell import ONE, TWO, FakeStore, Shell, as_json


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


def test_docker_lines_go_to_standard_output_and_notes_to_standard_error(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["import_archive"] = imported()
    assert shell("import", "a.tar") == "Loaded image: x:1\\x1b\n"
    assert shell.err == "note: a note\n1 new image(s), 2 new layer(s), 1.23kB stored\n"
    assert shell("import", "-q", "a.tar") == "Loaded image: x:1\\x1b\n"
    assert shell.err == ""


def test_an_archive_without_new_content_is_reported(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported(changed=False, notes=(), new_images=0, new_layers=0)
    shell("load", "a.tar")
    assert shell.err == "nothing new: the store already has all content of this archive\n"


def test_a_moved_tag_alone_is_a_change(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported(notes=(), new_images=0, new_layers=0, new_bytes=0)
    shell("load", "a.tar")
    assert shell.err == "0 new image(s), 0 new layer(s), 0B stored\n"


def test_options_and_archives_reach_the_store_in_order(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported()
    shell(
        "import",
        "--compression",
        "zstd:9",
        "--max-layer-size",
        "2GiB",
        "--max-ratio",
        "50",
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
    assert options.limits == Limits(layer_bytes=2 * 1024**3, ratio=50)
    assert options.source_name == "a.tar"


def test_a_store_that_exists_is_not_created(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def import_archive(*_arguments: object) -> ImportReport:
        seen.append(fake.opened)
        return imported()

    monkeypatch.setattr(fake, "import_archive", import_archive, raising=False)
    shell("import", "a.tar")
    assert seen == [{"group": None}]


def test_json_lists_the_archives_before_an_invalid_one(shell: Shell, fake: FakeStore) -> None:
    fake.answers["import_archive"] = imported()
    (report,) = as_json(shell("import", "--json", "a.tar"))
    assert report == {
        "Source": "a.tar",
        "Images": [str(ONE)],
        "Tags": [{"Name": "x:1", "Id": str(ONE), "Digest": None, "Replaced": str(TWO)}],
        "Notes": ["a note"],
        "Changed": True,
        "NewImages": 1,
        "NewLayers": 2,
        "NewBytes": 1234,
        "ReadBytes": 5678,
    }
    assert shell.err == ""
    fake.answers["import_archive"] = {
        Path("a.tar"): imported(tags=()),
        Path("bad.tar"): errors.InvalidArchive("bad"),
    }
    done, failed = as_json(shell("import", "--json", "a.tar", "bad.tar", code=4))
    assert (done["Source"], failed["Source"]) == ("a.tar", "bad.tar")
    assert failed["Error"]["Message"] == "cannot import bad.tar: bad"
    assert shell("import", "--json", "bad.tar", code=4) == ""


@pytest.mark.parametrize("arguments", [(), ("-",), ("-i", "-")])
def test_standard_input_is_an_archive(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"archive"))
    monkeypatch.setattr("sys.stdin", stdin)
    fake.answers["import_archive"] = imported()
    shell("import", *arguments)
    assert fake.asked[0][1][0] is stdin.buffer
    assert fake.asked[0][1][1].source_name == "-"


def test_standard_input_is_refused_if_it_cannot_be_an_archive(
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


def test_invalid_option_values_are_refused(shell: Shell) -> None:
    shell("import", "--max-layer-size", "much", "a.tar", code=2)
    assert "invalid size 'much'" in shell.err
    shell("import", "--compression", "lzma", "a.tar", code=2)
    assert "invalid compression" in shell.err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--tag", "INVALID NAME", "it has a space"),
        ("--tag", f"app@sha256:{'0' * 64}", "expected a name with a tag, not a digest"),
        ("--prefix", "A B", "invalid prefix: 'A B'"),
        ("--prefix", "/", "invalid prefix: '/'"),
        ("--image", "team/[", "invalid pattern"),
        ("--platform", "a/b/c/d", "invalid platform"),
    ],
)
def test_an_invalid_value_is_wrong_usage(
    shell: Shell, fake: FakeStore, option: str, value: str, says: str
) -> None:
    shell("import", option, value, "a.tar", code=2)
    assert says in shell.err
    assert fake.asked == []


@pytest.mark.parametrize("prefix", ["team", "team/", "quay.io", "localhost:5000", "quay.io/a/b/"])
def test_a_prefix_is_a_registry_or_a_path(shell: Shell, fake: FakeStore, prefix: str) -> None:
    fake.answers["import_archive"] = imported()
    shell("import", "--prefix", prefix, "a.tar")
    assert fake.asked[0][1][1].choice.prefix == prefix
