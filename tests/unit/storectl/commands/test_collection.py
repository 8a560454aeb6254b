"""What a collection prints about the content that it keeps."""

from __future__ import annotations

import pytest

from store.maintenance.reports import Kept, KeptReason
from tests.support.fake_shell import NOW, FakeStore, Shell, as_json, collection_report

APP = "docker.io/team/app"
KEPT = (
    Kept(KeptReason.UNTAGGED, 3, 2_000_000, 1),
    Kept(KeptReason.UNTAGGED, 3, 2_000),
    Kept(KeptReason.PUSHED, 2, 1_500_000, until=NOW, repository=APP),
    Kept(KeptReason.OPERATION, 1, 10),
    Kept(KeptReason.UPLOAD, 1, 7, until=NOW, repository="registry.example.com/x"),
)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_each_group_is_named_with_its_size_reason_and_end(shell: Shell, fake: FakeStore) -> None:
    fake.answers["collect"] = collection_report(kept=KEPT, uploads=2)
    lines = shell("gc").splitlines()
    assert "Deleted: 2 abandoned upload(s)" in lines
    until = "until 2026-01-02T03:04:05Z"
    assert lines[-5:] == [
        f"Kept: 2 blob(s), 1.5MB, pushed to team/app without a manifest, {until}",
        f"Kept: 1 upload(s) in progress to registry.example.com/x, 7B, {until}",
        "Kept: 1 file(s), 10B, in use by a running operation",
        "Kept: 1 untagged image(s), 2MB",
        "Kept: 3 file(s) of untagged manifests, 2kB",
    ]
    assert shell.err.splitlines() == [
        "hint: `storectl gc --now` removes blobs without a manifest before that time",
        "hint: `storectl prune` removes untagged images",
    ]


def test_after_the_end_of_the_grace_a_recent_push_is_the_reason(
    shell: Shell, fake: FakeStore
) -> None:
    one = Kept(KeptReason.PUSHING, 2, 15, until=NOW, repository=APP)
    fake.answers["collect"] = collection_report(kept=(one,))
    assert shell("gc", "--now").splitlines()[-1] == (
        "Kept: 2 blob(s), 15B, because a push to team/app may be in progress, until"
        " 2026-01-02T03:04:05Z"
    )
    assert shell.err == "hint: run `storectl gc --now` again after that time\n"


def test_many_repositories_are_summed_up(shell: Shell, fake: FakeStore) -> None:
    kept = tuple(
        Kept(KeptReason.PUSHED, 1, 1000 + number, until=NOW, repository=f"{APP}{number:02}")
        for number in range(12)
    )
    fake.answers["collect"] = collection_report(kept=kept)
    lines = [line for line in shell("gc").splitlines() if line.startswith("Kept")]
    assert len(lines) == 11
    assert "team/app11" in lines[0]
    assert lines[-1] == "Kept: 2.001kB for the same reason in 2 more repositories"


def test_json_has_every_group(shell: Shell, fake: FakeStore) -> None:
    fake.answers["collect"] = collection_report(kept=KEPT)
    assert as_json(shell("gc", "--json"))["Kept"][2] == {
        "Reason": "pushed",
        "Files": 2,
        "Size": 1_500_000,
        "Images": 0,
        "Repository": "team/app",
        "Until": "2026-01-02T03:04:05Z",
    }


def test_interrupted_downloads_are_named(shell: Shell, fake: FakeStore) -> None:
    one = Kept(KeptReason.DOWNLOAD, 2, 15, until=NOW)
    fake.answers["collect"] = collection_report(kept=(one,), downloads=3)
    lines = shell("gc").splitlines()
    assert "Deleted: 3 interrupted download(s)" in lines
    assert lines[-1] == (
        "Kept: 2 interrupted download(s), 15B, for the next pull, until 2026-01-02T03:04:05Z"
    )
    assert shell.err == (
        "hint: `storectl gc --now` removes interrupted downloads before that time\n"
    )
