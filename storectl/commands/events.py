"""``events``: what happened, and when."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output.units import parse_moment
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from store import Store
    from store.catalog.events import Event
    from storectl.settings import Settings

_TYPE: Final = "image"
"""A store has events about nothing else."""

_PAUSE_S: Final = 0.5
_MANY: Final = 1000
_OVERLAP: Final = timedelta(minutes=1)
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@click.command(
    "events",
    cls=Verb,
    examples=("storectl events --since 24h --filter event=import", "storectl events --follow"),
)
@click.option(
    "--since", metavar="WHEN", help="Not before: a time, Unix seconds, or an age such as 10m."
)
@click.option("--until", metavar="WHEN", help="Not after.")
@click.option(
    "--follow",
    is_flag=True,
    help=(
        "Wait for more, until --until or Ctrl-C; without --since, show only what happens from"
        " now on."
    ),
)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="event=ACTION, type=image, or image=NAME or ID (also of one that is gone).",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Docker's lines, or its JSON object for each event.",
)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    since: str | None,
    until: str | None,
    follow: bool,
    filters: tuple[str, ...],
    format_: str,
    as_json: bool,
) -> None:
    """Show what happened to images, oldest first, as `docker events` does.

    Then end, unless told to --follow.

    Filters of one kind are alternatives. Times are local ones.
    """
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if follow and as_json:
        raise click.UsageError(
            "--json is one document, and --follow never ends: use --format json, an object for each"
            " event"
        )
    wanted = _parsed(filters)
    now = settings.now()
    first, last = _moment(since, now), _moment(until, now)
    if follow and first is None:
        first = now
    with settings.open() as store:
        images = {name: _image_id(store, name) for name in wanted["image"]}
        found = (
            event
            for event in _recorded(
                store, settings, first, last, actions=wanted["event"], follow=follow
            )
            if (not images or any(_is_about(event, name, image) for name, image in images.items()))
            and (not wanted["type"] or _TYPE in wanted["type"])
        )
        if as_json:
            render.document([_as_json(event) for event in found])
            return
        for event in found:
            render.line(
                _as_text(event)
                if format_ == "text"
                else json.dumps(_as_dockers(event), separators=(",", ":"))
            )


def _parsed(filters: tuple[str, ...]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {"event": [], "image": [], "type": []}
    for text in filters:
        key, _, value = text.partition("=")
        if key not in wanted or not value:
            raise click.UsageError(
                f"invalid filter {text!r}: expected event=ACTION, image=NAME or type=image"
            )
        wanted[key].append(value)
    return wanted


def _recorded(
    store: Store,
    settings: Settings,
    first: datetime | None,
    last: datetime | None,
    *,
    actions: list[str],
    follow: bool,
) -> Iterator[Event]:
    """The events between two moments; with ``follow`` also those to come, as they come."""
    if not follow:
        yield from store.events(since=first, until=last, actions=actions)
        return
    # Events are never taken away, and each comes after those that are there: what was seen is the
    # beginning of what is found.
    seen = 0
    while True:
        started = settings.now()
        found = list(store.events(since=first, until=last, actions=actions))
        yield from found[seen:]
        seen = len(found)
        if last is not None and started > last:
            return
        if seen > _MANY:
            # Do not read them all each time. Whoever changes the store takes the time while nobody
            # else can: a minute is more than enough.
            first = started - _OVERLAP
            seen = sum(event.at >= first for event in found)
        settings.sleep(_PAUSE_S)


def _moment(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else parse_moment(text, now)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def _image_id(store: Store, name: str) -> str | None:
    """The ID of the image that has this name now, if one has."""
    from store.errors import (  # noqa: PLC0415 - `--help` does without
        Conflict,
        InvalidInput,
        NotFound,
    )

    try:
        return str(store.inspect(name).image_id)
    except (NotFound, Conflict, InvalidInput):
        return None


def _is_about(event: Event, name: str, image: str | None) -> bool:
    """Whether the event is about the image, or about the name: what is gone can be asked for as well."""
    if event.target in (name, image) or name in _names(event.attributes.values()):
        return True
    short = _SHORT_ID.fullmatch(name)
    return (
        image is None and short is not None and event.target.partition(":")[2].startswith(short[1])
    )


def _names(values: Collection[str]) -> set[str]:
    """Every name among ``values``, and each without its tag."""
    return {name for value in values for name in (value, value.rpartition(":")[0])}


def _as_text(event: Event) -> str:
    """Docker's line."""
    from storectl.output.render import nano_time  # noqa: PLC0415 - `--help` does without

    attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    return f"{nano_time(event.at)} {_TYPE} {event.action} {event.target}" + (
        f" ({attributes})" if attributes else ""
    )


def _as_dockers(event: Event) -> dict[str, Any]:
    """Docker's object (its ``events.Message``), in the order of its fields."""
    microseconds = (event.at - _UNIX_EPOCH) // timedelta(microseconds=1)
    return {
        "status": event.action,
        "id": event.target,
        "Type": _TYPE,
        "Action": event.action,
        "Actor": {"ID": event.target, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": "local",
        "time": microseconds // 1_000_000,
        "timeNano": microseconds * 1000,
    }


def _as_json(event: Event) -> dict[str, Any]:
    from storectl.output.render import time  # noqa: PLC0415 - `--help` does without

    return {
        "time": time(event.at),
        "action": event.action,
        "target": event.target,
        "attributes": dict(event.attributes),
    }
