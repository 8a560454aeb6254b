"""``events``: what happened, and when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from storectl.units import parse_moment
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from store import Store
    from store.model import Event
    from storectl.settings import Settings

_SHORT_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@click.command("events", cls=Verb, examples=("storectl events --since 24h --filter event=import",))
@click.option("--since", metavar="WHEN", help="Not before: a time, Unix seconds, or an age such as 10m.")
@click.option("--until", metavar="WHEN", help="Not after.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="event=ACTION, or image=NAME or ID (also of one that is gone).")
@json_option
@click.pass_obj
def command(settings: Settings, *, since: str | None, until: str | None, filters: tuple[str, ...], as_json: bool) -> None:
    """Show what happened to images, oldest first. Filters of one kind are alternatives."""
    from storectl import render  # noqa: PLC0415 - `--help` does without

    wanted: dict[str, list[str]] = {"event": [], "image": []}
    for text in filters:
        key, _, value = text.partition("=")
        if key not in wanted or not value:
            raise click.UsageError(f"invalid filter {text!r}: expected event=ACTION or image=NAME")
        wanted[key].append(value)
    now = settings.now()
    first, last = _moment(since, now), _moment(until, now)
    with settings.open() as store:
        images = {name: _image_id(store, name) for name in wanted["image"]}
        found = (
            event
            for event in store.events(since=first, until=last, actions=wanted["event"])
            if not images or any(_is_about(event, name, image) for name, image in images.items())
        )
        if as_json:
            render.document([_as_json(event) for event in found])
            return
        for event in found:
            attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
            at = event.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
            render.line(f"{at} image {event.action} {event.target}" + (f" ({attributes})" if attributes else ""))


def _moment(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else parse_moment(text, now)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def _image_id(store: Store, name: str) -> str | None:
    """The ID of the image that has this name now, if one has."""
    from store.errors import Conflict, InvalidInput, NotFound  # noqa: PLC0415 - `--help` does without

    try:
        return str(store.inspect(name).image_id)
    except (NotFound, Conflict, InvalidInput):
        return None


def _is_about(event: Event, name: str, image: str | None) -> bool:
    """Whether the event is about the image, or about the name: what is gone can be asked for as well."""
    if event.target in (name, image) or name in _names(event.attributes.values()):
        return True
    short = _SHORT_ID.fullmatch(name)
    return image is None and short is not None and event.target.partition(":")[2].startswith(short[1])


def _names(values: Collection[str]) -> set[str]:
    """Every name among ``values``, and each without its tag."""
    return {name for value in values for name in (value, value.rpartition(":")[0])}


def _as_json(event: Event) -> dict[str, Any]:
    from storectl.render import time  # noqa: PLC0415 - `--help` does without

    return {"time": time(event.at), "action": event.action, "target": event.target, "attributes": dict(event.attributes)}
