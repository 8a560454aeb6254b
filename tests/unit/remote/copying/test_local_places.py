"""Each transport of archives and folders has its source and its receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.copying.local_places import import_location, local_receiver
from remote.copying.temporary_store import TemporaryStore
from remote.names import parse_location
from remote.pushing.choice import Choice
from remote.pushing.report import NoListener
from store.errors import InvalidInput
from store.model.progress import Silent
from tests.support.sent_images import import_index, receive

if TYPE_CHECKING:
    from pathlib import Path

    from remote.copying.receivers import Receiver
    from store import Store


def receiver(name: str) -> Receiver:
    return local_receiver(
        parse_location(name), jobs=1, progress=Silent(), listener=NoListener(), wait_limit_s=1
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("oci:{}/layout:mine", "oci:{}/layout:mine"),
        ("oci:{}/layout:mine", "oci:{}/layout:@0"),
        ("oci-archive:{}/a.tar:mine", "oci-archive:{}/a.tar:mine"),
        ("dir:{}/folder", "dir:{}/folder"),
        ("docker-archive:{}/a.tar:mine/app:1", "docker-archive:{}/a.tar:mine/app:1"),
    ],
)
def test_what_one_copy_writes_another_reads(
    store: Store, tmp_path: Path, written: str, read: str
) -> None:
    layout = import_index(store)

    receive(store, receiver(written.format(tmp_path)))

    with TemporaryStore(Silent(), tmp_path) as temporary:
        import_location(temporary.importing, parse_location(read.format(tmp_path)))
        with temporary.open(Choice(), name=read, jobs=1) as image:
            assert str(image.root.digest) == layout.roots[0]["digest"]


@pytest.mark.parametrize("name", ["docker://x.example/a:1", "registry-tree:/srv/registry"])
def test_other_transports_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot copy to"):
        receiver(name)
    with (
        TemporaryStore(Silent(), tmp_path) as temporary,
        pytest.raises(InvalidInput, match="cannot copy from"),
    ):
        import_location(temporary.importing, parse_location(name))


def test_a_position_that_the_index_lacks_is_an_error(store: Store, tmp_path: Path) -> None:
    import_index(store)
    receive(store, receiver(f"oci:{tmp_path}/layout:mine"))
    with TemporaryStore(Silent(), tmp_path) as temporary:
        with pytest.raises(InvalidInput, match="no such entry"):
            import_location(temporary.importing, parse_location(f"oci:{tmp_path}/layout:@7"))
        with pytest.raises(InvalidInput, match="a position in an archive"):
            import_location(temporary.importing, parse_location(f"oci-archive:{tmp_path}/a.tar:@0"))
