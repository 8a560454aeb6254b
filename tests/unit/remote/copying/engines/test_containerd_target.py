"""An archive for containerd leaves out what containerd has."""

from __future__ import annotations

import asyncio
import os
import shlex
from typing import TYPE_CHECKING

import pytest

from remote.copying.engines.containerd_target import ContainerdTarget
from remote.copying.layout_repository import folder_image
from remote.engine.connection import EngineUnavailable
from remote.engine.containerd import Containerd
from remote.pushing.choice import Choice
from remote.pushing.report import NoListener
from store.model.progress import Silent
from store.model.references import Reference
from tests.support.fake_ctr import FakeCtr
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

NAME = Reference.parse("team/app:1")


def target(ctr: FakeCtr) -> ContainerdTarget:
    engine = Containerd(tuple(shlex.split(ctr.program)), "x", os.environ)
    return ContainerdTarget(engine, NAME, progress=Silent(), listener=NoListener())


def test_the_second_image_shares_the_layers_of_the_first(tmp_path: Path) -> None:
    ctr = FakeCtr(tmp_path / "ctr")
    small, large = Layout(), Layout()
    small.root(small.image(gzip(A)))
    large.root(large.image(gzip(A), gzip(B)))
    digests = []
    for number, layout in enumerate((small, large)):
        image = folder_image(layout.folder(tmp_path / str(number)), ((),), Choice())
        assert image is not None
        survey = asyncio.run(target(ctr).survey(image))
        done = asyncio.run(target(ctr).receive(image))
        assert (survey.missing, survey.held) == (tuple(done.sent), done.held)
        assert done.moved_tags == [str(NAME)]
        assert ctr.images == {str(NAME): layout.roots[0]["digest"]}
        digests.append([blob.digest for blob in done.sent])
    assert [len(one) for one in digests] == [2, 2]
    assert set(digests[0]).isdisjoint(digests[1])


def test_an_error_of_ctr_ends_the_load(tmp_path: Path) -> None:
    ctr = FakeCtr(tmp_path / "ctr")
    ctr.refuse("down")
    layout = Layout()
    layout.root(layout.image(gzip(A)))
    image = folder_image(layout.folder(tmp_path / "layout"), ((),), Choice())
    assert image is not None
    with pytest.raises(EngineUnavailable, match="down"):
        asyncio.run(target(ctr).receive(image))
