"""The tree of files that Docker would unpack from an archive."""

from __future__ import annotations

import pytest

from store.errors import InvalidArchive, MissingMember, TooLarge, UnsafePath
from store.formats.tar.reader import Member, MemberKind
from store.formats.tar.tree import Tree
from store.model.limits import Limits

FILE, DIRECTORY, SYMLINK, HARDLINK, SPECIAL = (
    MemberKind.FILE,
    MemberKind.DIRECTORY,
    MemberKind.SYMLINK,
    MemberKind.HARDLINK,
    MemberKind.SPECIAL,
)


def tree(
    *members: tuple[str, MemberKind] | tuple[str, MemberKind, str], limits: Limits | None = None
) -> Tree:
    """Return a tree of ``members``; the payload of each file is its position in ``members``."""
    made = Tree(limits or Limits())
    for position, (name, kind, *link) in enumerate(members):
        made.add(Member(name, kind, 0, position * 512, link[0] if link else ""), position)
    return made


@pytest.mark.parametrize("name", ["x", "./x", "/x", "../x", "a/../x", "//x", "x/", "../../a/../x"])
def test_names_are_cleaned_and_land_inside(name: str) -> None:
    assert tree((name, FILE)).resolve("x").payload == 0


@pytest.mark.parametrize("path", ["a/x", "/a/x", "a//x", "./a/./x", "a/../a/x", "b/../a/x"])
def test_manifest_paths_are_cleaned(path: str) -> None:
    assert tree(("a/x", FILE)).resolve(path).member.name == "a/x"


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/../x"])
def test_manifest_path_that_leaves_the_archive_is_refused(path: str) -> None:
    made = tree(("x", FILE))
    with pytest.raises(UnsafePath):
        made.resolve(path)
    with pytest.raises(UnsafePath):
        made.exists(path)


def test_later_duplicates_replace_earlier_ones() -> None:
    assert tree(("x", FILE), ("./x", FILE)).resolve("x").payload == 1
    assert tree(("a/x", FILE), ("a", FILE)).resolve("a").payload == 1
    assert not tree(("a/x", FILE), ("a", FILE)).exists("a/x")
    assert tree(("a", FILE), ("a", DIRECTORY), ("a/x", FILE)).resolve("a/x").payload == 2
    assert tree(("a/x", FILE), ("a", DIRECTORY)).resolve("a/x").payload == 0
    replaced = tree(("t/x", FILE), ("a", SYMLINK, "t"), ("a", DIRECTORY))
    assert not replaced.exists("a/x")


def test_root_is_never_replaced() -> None:
    made = tree(("x", FILE), ("./", DIRECTORY), (".", FILE), ("..", SYMLINK, "y"))
    assert made.resolve("x").payload == 0
    assert made.exists("")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("l", "a/x"),
        ("l", "/a/x"),
        ("d/l", "../a/x"),
        ("l", "../../../a/x"),
        ("d/l", "/../a/x"),
        ("l", "a/./x"),
        ("l", "missing/../a/x"),
        ("l", "a/x/../x"),
    ],
)
def test_symlinks_stay_inside(name: str, target: str) -> None:
    assert tree(("a/x", FILE), (name, SYMLINK, target)).resolve(name).payload == 0


def test_symlinks_may_precede_their_target_and_be_chained() -> None:
    made = tree(
        ("l1", SYMLINK, "l2"), ("l2", SYMLINK, "d"), ("d", SYMLINK, "real"), ("real/x", FILE)
    )
    assert made.resolve("l1/x").payload == 3
    assert made.exists("l1")
    with pytest.raises(InvalidArchive, match="found a directory"):
        made.resolve("l1")


def test_a_path_below_a_file_finds_nothing() -> None:
    made = tree(("x", FILE), ("l", SYMLINK, "x/y/../../x"), ("m", SYMLINK, "gone/y/../../x"))
    assert not made.exists("l")
    assert not made.exists("x/y")
    assert made.resolve("m").payload == 0


def test_dangling_links_lead_to_nothing() -> None:
    made = tree(("l", SYMLINK, "gone"), ("h", HARDLINK, "gone"))
    for path in ("l", "h", "l/x"):
        assert not made.exists(path)
        with pytest.raises(MissingMember):
            made.resolve(path)


def test_a_file_cannot_be_a_parent() -> None:
    with pytest.raises(MissingMember):
        tree(("x", FILE)).resolve("x/y")


def test_link_loops_are_refused() -> None:
    made = tree(("a", SYMLINK, "b"), ("b", SYMLINK, "a"), ("h", HARDLINK, "h"))
    for path in ("a", "b/x", "h"):
        with pytest.raises(UnsafePath, match="a loop of links"):
            made.resolve(path)
    with pytest.raises(UnsafePath, match="a loop of links"):
        made.add(Member("a/x", FILE, 0, 0, ""), None)


def test_links_are_followed_up_to_the_limit() -> None:
    chain = [(f"l{i}", SYMLINK, f"l{i + 1}") for i in range(10)]
    made = tree(("l10", FILE), *chain, limits=Limits(links=9))
    assert made.resolve("l1").payload == 0
    with pytest.raises(UnsafePath):
        made.resolve("l0")


def test_members_under_a_symlinked_parent_land_in_its_target() -> None:
    made = tree(
        ("real", DIRECTORY),
        ("d/link", SYMLINK, "../real"),
        ("d/link/sub/x", FILE),
        ("real/sub/y", FILE),
    )
    assert made.resolve("real/sub/x").payload == 2
    assert made.resolve("d/link/sub/y").payload == 3


def test_members_under_a_file_are_refused() -> None:
    with pytest.raises(InvalidArchive, match="is not a directory"):
        tree(("f", FILE), ("f/x", FILE))
    with pytest.raises(InvalidArchive, match="is not a directory"):
        tree(("f", FILE), ("l", SYMLINK, "f"), ("l/x", FILE))


def test_hard_links_share_the_file_that_they_link_to() -> None:
    made = tree(("d/x", FILE), ("h", HARDLINK, "./d/x"), ("d/x", FILE), ("late", HARDLINK, "/d/x"))
    assert made.resolve("h").payload == 0
    assert made.resolve("h").member == Member("h", FILE, 0, 0, "")
    assert made.resolve("late").payload == 2


def test_hard_links_may_precede_their_target() -> None:
    made = tree(("h", HARDLINK, "d/x"), ("h2", HARDLINK, "h"), ("d/x", FILE))
    assert made.resolve("h2").payload == 2


def test_hard_link_to_a_symlink_is_that_symlink() -> None:
    made = tree(("a/x", FILE), ("b/x", FILE), ("a/l", SYMLINK, "x"), ("b/h", HARDLINK, "a/l"))
    assert made.resolve("b/h").payload == 1


def test_hard_link_through_a_symlinked_directory_is_found() -> None:
    assert (
        tree(("real/x", FILE), ("l", SYMLINK, "real"), ("h", HARDLINK, "l/x")).resolve("h").payload
        == 0
    )


def test_hard_link_to_a_directory_is_refused() -> None:
    with pytest.raises(InvalidArchive, match="directory"):
        tree(("d", DIRECTORY), ("h", HARDLINK, "d"))
    assert not tree(("h", HARDLINK, "")).exists("gone")


def test_only_files_are_resolved() -> None:
    made = tree(("dev", SPECIAL), ("d", DIRECTORY))
    for path in ("dev", "d", "", "/"):
        with pytest.raises(InvalidArchive):
            made.resolve(path)
        assert made.exists(path)


def test_names_and_files_in_directories_are_listed() -> None:
    made = tree(
        ("d/version", FILE), ("d/e/version", FILE), ("x", FILE), ("x", FILE), ("l", SYMLINK, "d")
    )
    assert made.names_in() == ("d/", "l", "x")
    assert made.names_in("l") == ("e/", "version")
    assert made.names_in("gone") == ()
    assert made.find_all("version") == ("d/e/version", "d/version")


def test_top_level_directories_are_sorted_by_bytes() -> None:
    made = tree(
        ("\U00010000", DIRECTORY),
        ("\uffff/x", FILE),
        ("\udcff", DIRECTORY),
        ("b", DIRECTORY),
        ("a/x/y", FILE),
        ("f", FILE),
        ("l", SYMLINK, "b"),
    )
    assert made.top_level_directories() == ("a", "b", "\uffff", "\U00010000", "\udcff")


def test_implied_directories_count_too() -> None:
    with pytest.raises(TooLarge):
        tree(("a/b/c/d/x", FILE), limits=Limits(directories=3))
    assert tree(("a/b/c/x", FILE), limits=Limits(directories=3)).exists("a/b/c")


def test_link_target_longer_than_linux_allows_is_refused() -> None:
    assert tree(("l", SYMLINK, "é" * 2047)).exists("")
    with pytest.raises(InvalidArchive):
        tree(("l", SYMLINK, "é" * 2048))


def test_depth_needs_no_recursion() -> None:
    deep = "d/" * 200_000
    made = tree((deep + "x", FILE), ("up", SYMLINK, "../" * 1000 + "d"))
    assert made.resolve(deep + "x").payload == 0
    assert made.exists("up")
    made.add(Member("d", FILE, 0, 0, ""), None)
    assert made.resolve("d").payload is None


def test_the_links_of_all_members_together_have_a_ceiling() -> None:
    made = tree(
        ("d", DIRECTORY), ("l", SYMLINK, "d/../d/../d"), limits=Limits(link_parts=3 * 5 + 4)
    )
    for number in range(3):
        made.add(Member(f"l/{number}", FILE, 0, 0, ""), number)
    assert made.resolve("d/2").payload == 2
    with pytest.raises(TooLarge) as caught:
        made.resolve("l/2")
    assert caught.value.limit == 19


def test_the_slashes_of_a_link_count_too() -> None:
    made = tree(("l", SYMLINK, "/" * 50), limits=Limits(link_parts=50))
    with pytest.raises(TooLarge):
        made.exists("l/x")


def test_the_parts_of_all_names_together_have_a_ceiling() -> None:
    """A folder counts once in the length of names, but each name leads through it again."""
    deep = "/".join("a" * 50)
    made = tree(*((f"{deep}/{number}", FILE) for number in range(3)), limits=Limits(name_parts=153))
    with pytest.raises(TooLarge) as caught:
        made.add(Member("b", FILE, 0, 0, ""), None)
    assert caught.value.limit == 153
