"""The syncs of `serve`: the tables `[[sync]]`, their checks, and the program that they start."""

from __future__ import annotations

import sys
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from mirror.jobs.schedule import Schedule
from store.catalog.upstream import sync_runs
from storectl.commands._settings_file import TableError
from storectl.commands._sync_table import MAX_SYNCS, SyncTable, SyncValue, scheduled
from storectl.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path("/etc/storectl")
DAY = timedelta(days=1)


def test_a_table_has_the_options_of_a_sync() -> None:
    found = SyncTable.parse(
        {
            "file": "images.yaml",
            "at": ["03:30", "15:00"],
            "prune": True,
            "referrers": False,
            "tls-verify": False,
            "jobs": 3,
            "max-age": "1h",
            "limit-rate": "10MB",
            "platforms": ["linux/amd64", "linux/arm64"],
            "authfile": "auth.json",
        },
        FOLDER,
    )
    assert found == SyncTable(
        FOLDER / "images.yaml",
        at=(time(3, 30), time(15)),
        options=(
            "--prune",
            "--no-tls-verify",
            "--jobs=3",
            "--max-age=1h",
            "--limit-rate=10MB",
            "--platform=linux/amd64",
            "--platform=linux/arm64",
            "--authfile=/etc/storectl/auth.json",
        ),
        authfile=FOLDER / "auth.json",
    )
    assert found.schedule(DAY) == Schedule(at=(time(3, 30), time(15)))
    assert SyncTable(Path("x")).schedule(DAY) == Schedule(DAY)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, ""),
        ({"file": "x", "nope": 1}, "nope"),
        ({"file": ""}, "file"),
        ({"file": "x", "every": "soon"}, "every"),
        ({"file": "x", "every": "1s"}, "every"),
        ({"file": "x", "every": "0"}, "every"),
        ({"file": "x", "every": "1h", "at": "03:00"}, "at"),
        ({"file": "x", "at": "3:00"}, "at"),
        ({"file": "x", "at": "25:00"}, "at"),
        ({"file": "x", "at": []}, "at"),
        ({"file": "x", "prune": "yes"}, "prune"),
        ({"file": "x", "jobs": 0}, "jobs"),
        ({"file": "x", "jobs": True}, "jobs"),
        ({"file": "x", "limit-rate": "fast"}, "limit-rate"),
        ({"file": "x", "rate-reserve": "half"}, "rate-reserve"),
        ({"file": "x", "platforms": ["linux/amd64"], "all-platforms": True}, "platforms"),
        ({"file": "x", "platforms": ["/"]}, "platforms"),
    ],
)
def test_a_mistake_names_its_key(table: Mapping[str, object], key: str) -> None:
    with pytest.raises(TableError) as caught:
        SyncValue().from_table(table, FOLDER)
    assert caught.value.key == key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "store", environment={"HOME": str(tmp_path)})


def test_a_sync_is_a_program_with_the_name_of_its_file(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "list.txt").write_text("debian:12\n")
    table = SyncTable(tmp_path / "list.txt", timedelta(hours=1), options=("--prune",))
    (found,) = scheduled([table], DAY, settings)
    assert (found.name, found.schedule) == ("list", Schedule(timedelta(hours=1)))
    root, file = str(tmp_path / "store"), str(tmp_path / "list.txt")
    assert found.command == (
        *(sys.executable, "-P", "-m", "storectl", "--root", root, "sync"),
        *("--json", "--quiet", "--prune", "--", file),
    )
    with pytest.raises(click.UsageError, match="two syncs have the name list"):
        scheduled([table, table], DAY, settings)


def test_files_are_checked_at_the_start(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "images.yaml"
    with pytest.raises(click.UsageError, match=r"--sync: .*images\.yaml"):
        scheduled([SyncTable(file)], DAY, settings)
    file.write_text("sources:\n  - nope: 1\n")
    with pytest.raises(click.UsageError, match="line 2"):
        scheduled([SyncTable(file)], DAY, settings)
    file.write_text("sources: [{image: registry.example/app}]\n")
    auth = tmp_path / "auth.json"
    with pytest.raises(click.UsageError, match=r"auth\.json"):
        scheduled([SyncTable(file, authfile=auth)], DAY, settings)
    auth.write_text("{")
    with pytest.raises(click.UsageError, match=r"auth\.json"):
        scheduled([SyncTable(file, authfile=auth)], DAY, settings)
    auth.write_text("{}")
    assert len(scheduled([SyncTable(file, authfile=auth)], DAY, settings)) == 1


def test_the_limit_is_that_of_the_catalogue() -> None:
    assert sync_runs.MAX_SYNCS == MAX_SYNCS
