"""``events``: the log of changes and saves of images."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output.rows import parsed
from storectl.output.units import parse_moment
from storectl.system.completion import IMAGE, values
from storectl.system.completion import filters as filter_values
from storectl.system.parameters import WholeNumber
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from store import Store
    from store.catalog.events import Event
    from storectl.output.go_template.values import Struct
    from storectl.settings import Settings

_TYPE: Final = "image"
"""The type of every event in docker's output: a store records only events of images."""

_ACTIONS: Final = ("delete", "gc", "import", "pull", "push", "save", "tag", "untag")
"""`store.catalog.events.ACTIONS`: completion does without SQLAlchemy."""

_POLL_INTERVAL_S: Final = 0.5
_MAX_REREAD_EVENTS: Final = 1000
_OVERLAP: Final = timedelta(minutes=1)
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


def _known_format(ctx: click.Context, param: click.Parameter, value: str) -> str:
    del ctx, param
    if value in {"text", "json"} or "{{" in value:
        return value
    raise click.BadParameter(
        f"expected text, json or a template such as '{{{{.Action}}}}', got {value!r}"
    )


@click.command(
    "events",
    cls=Verb,
    examples=("storectl events --since 24h --filter event=import", "storectl events --follow"),
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Show events from this time on: a date, Unix seconds, or an age such as 10m.",
)
@click.option("--until", metavar="WHEN", help="Show events up to this time.")
@click.option(
    "--follow",
    is_flag=True,
    help=("Wait for new events until --until or Ctrl-C; without --since, show new events only."),
)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=filter_values(event=_ACTIONS, type=(_TYPE,), user=(), image=(IMAGE,)),
    help=(
        "Filter output: event=ACTION, type=image, user=NAME, or image=NAME|ID, even of a removed"
        " image (repeatable)."
    ),
)
@click.option(
    "--format",
    "format_",
    shell_complete=values("text", "json", "{{json .}}"),
    default="text",
    metavar="FORMAT",
    callback=_known_format,
    help=(
        "Format output: text, json (an object for each event, as docker prints it), or a Go"
        " template for each event: {{.Action}}, {{json .}}."
    ),
)
@click.option(
    "--prune",
    is_flag=True,
    help=(
        "Remove old events instead, with the changes of tags and imports of that time: those before"
        " --until, and all but the newest of --keep."
    ),
)
@click.option(
    "--keep",
    metavar="N",
    type=WholeNumber(min=0),
    help="With --prune: number of events to keep. Each `storectl gc` keeps 1,000,000.",
)
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    since: str | None,
    until: str | None,
    follow: bool,
    filters: tuple[str, ...],
    format_: str,
    prune: bool,
    keep: int | None,
    as_json: bool,
) -> None:
    """Show the events of images, oldest first, like `docker events`.

    The command ends after the last recorded event unless --follow is given.

    Filters with the same key are alternatives; filters with different keys must all match. Times
    without a zone are local.
    """
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if follow and as_json:
        raise click.UsageError(
            "--json and --follow exclude each other: --json prints one document at the end. Use"
            " --format json to print an object for each event"
        )
    wanted = _parse_filters(filters)
    now = settings.now()
    first, last = _parse_time(since, now), _parse_time(until, now)
    if prune:
        if (last is None and keep is None) or filters or follow or first is not None:
            raise click.UsageError(
                "--prune needs --until or --keep, and excludes --since, --filter and --follow"
            )
        with settings.open(frees=True) as store:
            removed = store.prune_events(before=last, keep=keep)
        if as_json:
            render.document({"EventsRemoved": removed})
        else:
            render.line(f"Removed: {removed} event(s)")
        return
    if keep is not None:
        raise click.UsageError("--keep needs --prune")
    if follow and first is None:
        first = now
    show = _printer(format_)
    with settings.open() as store:
        images = {name: _image_id(store, name) for name in wanted["image"]}
        found = (
            event
            for event in _read_events(
                store, settings, first, last, actions=wanted["event"], follow=follow
            )
            if (not images or any(_is_about(event, name, image) for name, image in images.items()))
            and (not wanted["type"] or _TYPE in wanted["type"])
            and (not wanted["user"] or event.attributes.get("user") in wanted["user"])
        )
        if as_json:
            render.document([_as_docker_message(event) for event in found])
            return
        for event in found:
            show(event)


def _printer(format_: str) -> Callable[[Event], None]:
    """Return a function that prints an event in the format that the user asked for."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if format_ == "text":
        return lambda event: render.line(_as_text(event))
    if format_ == "json":
        return lambda event: render.json_lines([_as_docker_message(event)])
    template = parsed(format_)
    return lambda event: render.text(template.apply(_as_struct(event)))


def _parse_filters(filters: tuple[str, ...]) -> dict[str, list[str]]:
    from store.catalog.events import ACTIONS  # noqa: PLC0415 - `--help` does without

    wanted: dict[str, list[str]] = {"event": [], "image": [], "type": [], "user": []}
    for text in filters:
        key, _, value = text.partition("=")
        if not value and key in wanted:
            raise click.UsageError(f"invalid filter {text!r}: the value is missing")
        if key not in wanted:
            raise click.UsageError(
                f"invalid filter {text!r}: expected event=ACTION, image=NAME, type=image or"
                " user=NAME"
            )
        if key == "event" and value not in ACTIONS:
            raise click.UsageError(f"invalid filter {text!r}: expected one of {', '.join(ACTIONS)}")
        wanted[key].append(value)
    return wanted


def _read_events(
    store: Store,
    settings: Settings,
    first: datetime | None,
    last: datetime | None,
    *,
    actions: list[str],
    follow: bool,
) -> Iterator[Event]:
    """Yield the events between two times, and with ``follow`` new events as they are recorded."""
    if not follow:
        yield from store.events(since=first, until=last, actions=actions)
        return
    shown = 0
    while True:
        started = settings.now()
        found = list(store.events(since=first, until=last, actions=actions))
        for event in found:
            if event.number > shown:
                yield event
                shown = event.number
        if last is not None and started > last:
            return
        if len(found) > _MAX_REREAD_EVENTS:
            # Do not read all events each time. A writer sets the time of its events while it holds
            # the write lock, so an overlap of a minute is more than enough.
            first = started - _OVERLAP
        settings.sleep(_POLL_INTERVAL_S)


def _parse_time(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else parse_moment(text, now)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def _image_id(store: Store, name: str) -> str | None:
    """Return the ID of the image that has this name now, or None."""
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
    """Return whether the event is about this image or name.

    The image or the name may have been removed since the event.
    """
    if event.target in (name, image) or name in _names(event.attributes.values()):
        return True
    short = _SHORT_ID.fullmatch(name)
    return (
        image is None and short is not None and event.target.partition(":")[2].startswith(short[1])
    )


def _names(values: Collection[str]) -> set[str]:
    """Return every value, and every value without the tag at its end."""
    return {name for value in values for name in (value, value.rpartition(":")[0])}


def _as_text(event: Event) -> str:
    """Return docker's line for an event."""
    from storectl.output.render import nano_time  # noqa: PLC0415 - `--help` does without

    attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    return f"{nano_time(event.at)} {_TYPE} {event.action} {event.target}" + (
        f" ({attributes})" if attributes else ""
    )


def _as_docker_message(event: Event) -> dict[str, Any]:
    """Return docker's object for an event (its ``events.Message``), fields in docker's order."""
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


def _as_struct(event: Event) -> Struct:
    """Return docker's object for templates, where its fields have the names of Go."""
    from storectl.output.go_template.values import (  # noqa: PLC0415 - only templates need it
        Map,
        Struct,
    )

    message = _as_docker_message(event)
    actor = message["Actor"]
    return Struct(
        {
            "Status": message["status"],
            "ID": message["id"],
            "From": "",
            "Type": message["Type"],
            "Action": message["Action"],
            "Actor": Struct({**actor, "Attributes": Map(actor["Attributes"])}, actor),
            "Scope": message["scope"],
            "Time": message["time"],
            "TimeNano": message["timeNano"],
        },
        message,
    )
