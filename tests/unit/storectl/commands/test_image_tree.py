"""`images --tree`: each platform beneath its index."""

from __future__ import annotations

from datetime import timedelta

import pytest

from store.model.platforms import Platform
from store.queries.tree import TreeEntry, TreePart
from tests.support.fake_shell import MANIFEST, NOW, ONE, TWO, FakeStore, Shell

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def test_each_platform_is_beneath_its_index(shell: Shell, fake: FakeStore) -> None:
    day = NOW - timedelta(days=3)
    fake.answers["tree"] = (
        TreeEntry(
            ("x:1",),
            MANIFEST,
            None,
            None,
            4096,
            (
                TreePart(AMD64, MANIFEST, TWO, day, 4096),
                TreePart(ARM64, MANIFEST, None, None, None),
            ),
        ),
        TreeEntry(("y:1", "y:2"), ONE.digest, ARM64, day, 2048),
        TreeEntry((), TWO.digest, AMD64, None, 0),
    )
    one, two, index = ONE.digest.short, TWO.digest.short, MANIFEST.short
    assert [line.rstrip() for line in shell("images", "--tree").splitlines()] == [
        "IMAGE     PLATFORM      IMAGE ID       CREATED      SIZE",
        f"x:1                     {index}                4.1kB",
        f"├─        linux/amd64   {two}   3 days ago   4.1kB",
        "└─        linux/arm64   absent",
        f"y:1       linux/arm64   {one}   3 days ago   2.05kB",
        f"y:2       linux/arm64   {one}   3 days ago   2.05kB",
        f"<none>    linux/amd64   {two}   N/A          0B",
    ]
    assert str(TWO) in shell("images", "--tree", "--no-trunc")
    # Outside of a table, a row says to which index it belongs.
    lines = shell("images", "--tree", "--format", "{{.Image}} {{.Platform}}").splitlines()
    assert lines[:3] == ["x:1 ", "x:1 linux/amd64", "x:1 linux/arm64"]
    assert "├─" in shell("images", "--tree", "--format", "table {{.Image}}")
    assert shell("images", "--tree", "--format", "{{.Platform}}").splitlines()[1] == "linux/amd64"


@pytest.mark.parametrize("option", ["--quiet", "--digests", "--json", "--limit=1", "--after=x"])
def test_a_tree_is_a_whole_table(shell: Shell, fake: FakeStore, option: str) -> None:
    fake.answers["tree"] = ()
    shell("images", "--tree", option, code=2)
