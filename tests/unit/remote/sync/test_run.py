"""Runs of syncs: what each kind of run needs, and the error of all images."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from remote.errors import RateLimited
from tests.support.faulty_registry import Answer
from tests.support.syncs import Syncs, serve

if TYPE_CHECKING:
    from tests.support.pulls import Pulls, Upstream


@pytest.fixture
def syncs(pulls: Pulls, upstream: Upstream) -> Syncs:
    return Syncs(pulls, upstream)


def test_a_rate_limit_is_the_error_of_all_images(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    upstream.registry.always(Answer(429, {"Retry-After": "9999"}), path="/manifests/")
    outcomes = syncs.run("sources: [{repository: HOST/team/app}]")
    assert len(outcomes) == 2
    assert all(isinstance(one.error, RateLimited) for one in outcomes)


def test_a_run_loads_the_imports_of_archives_only_when_the_store_receives_images() -> None:
    """They take a third of the time in which a sync starts."""
    program = "import sys, remote.sync.run; print('store.importing.importer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout == b"False\n"
