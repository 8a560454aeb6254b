"""`rm`: lines like Docker's, and the exit code of the first failure."""

from __future__ import annotations

from store import Reference, errors
from store.names.tagging import RemovedName
from tests.support.fake_shell import ONE, FakeStore, Shell, as_json


def test_an_error_about_one_name_does_not_stop_the_others(shell: Shell, fake: FakeStore) -> None:
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
        {"Untagged": "x:1"},
        {"Deleted": str(ONE)},
    ]
    assert fake.asked[-1] == ("remove", ("x:1",), {"force": True, "prune_parents": False})


def test_a_read_only_store_stops_the_command(shell: Shell, fake: FakeStore) -> None:
    fake.answers["remove"] = errors.ReadOnlyStore("read-only")
    shell("rm", "x:1", "y:1", code=8)
    assert len(fake.asked) == 1


def test_all_tags_of_a_repository_are_removed(shell: Shell, fake: FakeStore) -> None:
    fake.answers["names"] = {
        "x:": (Reference.parse("x:1"), Reference.parse("x:2")),
        "gone:": (),
        "": (),
    }
    fake.answers["remove"] = {
        f"x:{tag}": (RemovedName("untagged", f"x:{tag}"),) for tag in ("1", "2")
    }
    assert shell("rm", "--all-tags", "x", "gone", code=3) == "Untagged: x:1\nUntagged: x:2\n"
    assert shell.err.splitlines()[0] == "storectl: error: No such repository: gone"
    shell("rm", "--all-tags", "x:1", code=4)
    assert [one for one in fake.asked if one[0] == "remove"] == [
        ("remove", (f"x:{tag}",), {"force": False, "prune_parents": True}) for tag in ("1", "2")
    ]
