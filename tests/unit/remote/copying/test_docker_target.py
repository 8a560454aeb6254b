"""Archives for docker are those that a save writes."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

from remote.copying.docker_target import DockerArchiveTarget
from remote.pushing.choice import Choice
from store.model.platforms import Platform
from store.model.progress import Silent
from store.model.references import Reference
from tests.support.sent_images import import_index, receive, survey

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

NAME = Reference.parse("mine/app:2")


def names(path: Path) -> list[list[str] | None]:
    with tarfile.open(path) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        return [one["RepoTags"] for one in json.loads(manifest.read())]


def test_one_image_is_named_as_wanted(store: Store, tmp_path: Path) -> None:
    import_index(store)
    path = tmp_path / "app.tar"
    choice = Choice((Platform.parse("linux/arm64"),))

    done = receive(store, DockerArchiveTarget(path, NAME, jobs=1, progress=Silent()), choice)

    assert names(path) == [["mine/app:2"]]
    assert list(done.tags) == [str(NAME)]


def test_an_image_may_have_no_name(store: Store, tmp_path: Path) -> None:
    import_index(store)
    path = tmp_path / "app.tar"
    choice = Choice((Platform.parse("linux/arm64"),))

    receive(store, DockerArchiveTarget(path, None, jobs=1, progress=Silent()), choice)

    assert names(path) == [None]


def test_a_survey_writes_nothing(store: Store, tmp_path: Path) -> None:
    import_index(store)
    target = DockerArchiveTarget(tmp_path / "app.tar", NAME, jobs=1, progress=Silent())
    assert survey(store, target).moved_tags == (str(NAME),)
    assert not (tmp_path / "app.tar").exists()
