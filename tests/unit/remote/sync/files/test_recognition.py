"""The kind of a file is told by its content."""

from __future__ import annotations

import pytest

from remote.sync.files.recognition import name_of
from remote.sync.files.yaml_tree import MAX_BYTES
from store.errors import InvalidInput
from tests.support.syncs import read


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("sources:\n  - image: debian\n", "docker.io/library/debian"),
        ("---\nsources: [{image: debian}]\n...\n", "docker.io/library/debian"),
        ("# a comment: with a colon\nquay.io:\n  images: {a: []}\n", "quay.io/a"),
        ('{"quay.io": {"images": {"a": []}}}', "quay.io/a"),
        ("sync: [{source: a, target: b.c/a, type: image}]\ndefaults: {}", "docker.io/library/a"),
        ("# images\nquay.io/a:1\nb\n", "quay.io/a"),
        ("localhost:5000/a\n", "localhost:5000/a"),
    ],
)
def test_files_are_recognised(text: str, repository: str) -> None:
    assert str(read(text).sources[0].repository) == repository


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("- a\n- b\n", "line 1: this is not a sync file"),
        ("a: b\n", "line 1: this is not a sync file"),
        ("version: '3'\nservices: {}\n", "line 1: this is not a sync file"),
        ("sources: []\n---\nsources: []\n", "expected one YAML document"),
        ("apiVersion: v1\nkind: Pod\n", "line 1: expected apiVersion"),
        ("x" * (MAX_BYTES + 1), "it is larger than"),
        ("PK\x03\x04", "invalid FILE"),
    ],
)
def test_other_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert message in caught.value.message


def test_a_sync_has_the_name_of_its_file() -> None:
    assert name_of("/etc/My Images.yaml") == "my-images"
    assert name_of("-") == "stdin"
