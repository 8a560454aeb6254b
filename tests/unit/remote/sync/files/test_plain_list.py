"""Lists of images."""

from __future__ import annotations

import pytest

from remote.sync.files.plain_list import read_plain_list
from store.errors import InvalidInput


def test_each_line_names_an_image() -> None:
    digest = "sha256:" + "a" * 64
    text = (
        f"# k3s\ndocker.io/rancher/klipper-helm:v0.9.3\n\nbusybox # small\ndocker://a/b@{digest}\n"
    )
    found = read_plain_list(text, "FILE", "k3s").sources
    assert [(str(one.repository), one.tags, one.line) for one in found] == [
        ("docker.io/rancher/klipper-helm", ("v0.9.3",), 2),
        ("docker.io/library/busybox", ("latest",), 4),
        ("docker.io/a/b", (), 5),
    ]
    assert [str(one) for one in found[2].digests] == [digest]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb c\n", "line 2: expected one name of an image on each line"),
        ("a\nUPPER:1\n", "line 2: "),
        ("a:b:c\n", "line 1: "),
    ],
)
def test_a_wrong_line_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_plain_list(text, "FILE", "x")
    assert message in caught.value.message
