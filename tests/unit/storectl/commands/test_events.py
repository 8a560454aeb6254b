"""`events`: lines and JSON objects like Docker's, filters, and ``--follow``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest

from store import errors
from store.catalog.events import ACTIONS, Event
from storectl import settings
from storectl.commands import events
from tests.support.fake_shell import NOW, ONE, TWO, FakeStore, Shell, as_json, image_details


def test_completion_offers_every_action() -> None:
    (option,) = [one for one in events.command.params if one.name == "filters"]
    context = click.Context(events.command)
    offered = [item.value for item in option.shell_complete(context, "event=")]
    assert offered == [f"event={action}" for action in ACTIONS]


def test_events_are_dockers_lines_or_one_document(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = (
        Event(NOW, "import", str(ONE), {"name": "x:1\x1b", "a": "b"}),
        Event(NOW + timedelta(microseconds=5), "gc", "", {}),
    )
    assert shell("events").splitlines() == [
        f"2026-01-02T03:04:05.000000000Z image import {ONE} (a=b, name=x:1\\x1b)",
        "2026-01-02T03:04:05.000005000Z image gc ",
    ]
    assert as_json(shell("events", "--json"))[0] == {
        "status": "import",
        "id": str(ONE),
        "Type": "image",
        "Action": "import",
        "Actor": {"ID": str(ONE), "Attributes": {"name": "x:1\x1b", "a": "b"}},
        "scope": "local",
        "time": 1767323045,
        "timeNano": 1767323045000000000,
    }


def test_format_json_prints_dockers_objects(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = (
        Event(NOW + timedelta(microseconds=5), "tag", str(ONE), {"name": "x:1"}),
    )
    assert [
        json.loads(line)
        for line in shell("events", "--format", "json", "--filter", "type=image").splitlines()
    ] == [
        {
            "status": "tag",
            "id": str(ONE),
            "Type": "image",
            "Action": "tag",
            "Actor": {"ID": str(ONE), "Attributes": {"name": "x:1"}},
            "scope": "local",
            "time": 1767323045,
            "timeNano": 1767323045000005000,
        }
    ]
    assert shell("events", "--filter", "type=container") == ""
    assert (
        shell("events", "--format", "{{.Time}} {{.Actor.Attributes.name}} {{.Actor.Attributes.a}}")
        == "1767323045 x:1 <no value>\n"
    )
    assert as_json(shell("events", "--format", "{{json .}}"))["Actor"]["ID"] == str(ONE)
    shell("events", "--format", "yaml", code=2)
    assert "expected text, json or a template" in shell.err


def test_following_ends_at_until_and_reads_old_events_once(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = [NOW]
    recorded = [Event(NOW, "tag", str(ONE), {"name": "x:1"}, number=7)]
    asked: list[datetime] = []

    def found(*, since: datetime, until: datetime, actions: list[str]) -> list[Event]:
        assert not actions
        asked.append(since)
        return [event for event in recorded if since <= event.at <= until]

    fake.events = found  # type: ignore[attr-defined]  # instead of one answer for all

    sleeps = count(1).__next__

    def sleep(_seconds: float) -> None:
        hour[0] += timedelta(minutes=1)
        number = 7 + sleeps()
        recorded.append(
            Event(hour[0], "untag", str(ONE), {"name": f"x:{number - 7}"}, number=number)
        )
        # The ceiling for events of reads removes old events.
        del recorded[:-2]

    monkeypatch.setattr(
        settings,
        "resolve",
        lambda *_args, **_options: settings.Settings(Path("/x"), now=lambda: hour[0], sleep=sleep),
    )
    monkeypatch.setattr(events, "_MAX_REREAD_EVENTS", 1)
    shown = shell("events", "--follow", "--until", "-2m").splitlines()
    assert [line.rpartition("name=")[2] for line in shown] == ["x:1)", "x:1)", "x:2)"]
    assert asked[0] == NOW
    assert asked[-1] > NOW, "events that were shown are not read again"
    shell("events", "--follow", "--json", code=2)


def test_times_and_actions_reach_the_store(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = ()
    assert (
        shell(
            "events",
            "--since",
            "10m",
            "--until",
            "2026-01-02T03:00:00Z",
            "-f",
            "event=tag",
            "-f",
            "event=untag",
        )
        == ""
    )
    assert fake.asked == [
        (
            "events",
            (),
            {
                "since": NOW - timedelta(minutes=10),
                "until": datetime(2026, 1, 2, 3, tzinfo=UTC),
                "actions": ["tag", "untag"],
            },
        )
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("known", ["import", "tag"]),
        ("gone:1", ["delete"]),
        ("gone", ["delete"]),
        (TWO.digest.hex[:12], ["delete", "gc"]),
        (str(TWO), ["delete", "gc"]),
        ("abcd", []),
        ("not-there", []),
        ("Bad Name", []),
    ],
)
def test_the_image_filter_finds_removed_images_too(
    shell: Shell, fake: FakeStore, wanted: str, found: list[str]
) -> None:
    class Names(dict[str, Any]):
        def __missing__(self, key: str) -> Exception:
            return errors.ImageNotFound(key)

    fake.answers["inspect"] = Names({"known": image_details()})
    fake.answers["events"] = (
        Event(NOW, "import", str(ONE), {"name": "x:1"}),
        Event(NOW, "tag", str(ONE), {"name": "y:1"}),
        Event(NOW, "delete", str(TWO), {"name": "gone:1"}),
        Event(NOW, "gc", str(TWO), {}),
    )
    assert [
        one["Action"] for one in as_json(shell("events", "--json", "--filter", f"image={wanted}"))
    ] == found


@pytest.mark.parametrize(
    "arguments",
    [("--filter", "x=y"), ("--filter", "event="), ("--since", "yesterday"), ("--until", "soon")],
)
def test_invalid_filters_and_times_are_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell("events", *arguments, code=2)


def test_an_unknown_event_is_refused_with_the_known_ones(shell: Shell, fake: FakeStore) -> None:
    shell("events", "--filter", "event=pulled", code=2)
    assert "delete, gc, import, pull, push, save, tag, untag" in shell.err
    assert fake.asked == []


def test_events_can_be_filtered_by_user(shell: Shell, fake: FakeStore) -> None:
    fake.answers["events"] = (
        Event(NOW, "push", str(ONE), {"user": "alice", "address": "192.0.2.1"}),
        Event(NOW, "push", str(TWO), {"user": "bob"}),
        Event(NOW, "push", str(TWO), {}),
    )
    (line,) = shell("events", "--filter", "user=alice").splitlines()
    assert line.endswith(f"push {ONE} (address=192.0.2.1, user=alice)")


def test_old_events_are_removed_by_age_or_number(shell: Shell, fake: FakeStore) -> None:
    fake.answers["prune_events"] = 7
    assert shell("events", "--prune", "--keep", "100") == "Removed: 7 event(s)\n"
    assert as_json(shell("events", "--prune", "--until", "24h", "--json")) == {"EventsRemoved": 7}
    assert [kwargs for name, _, kwargs in fake.asked if name == "prune_events"] == [
        {"before": None, "keep": 100},
        {"before": NOW - timedelta(hours=24), "keep": None},
    ]


@pytest.mark.parametrize(
    "arguments", [("--prune",), ("--prune", "--keep", "1", "--follow"), ("--keep", "1")]
)
def test_removal_needs_a_limit_and_nothing_else(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell("events", *arguments, code=2)
