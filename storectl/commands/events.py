"""What happened, and when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from storectl.settings import Settings

_DURATION: Final = re.compile(r"(?:(?P<hours>[0-9]+)h)?(?:(?P<minutes>[0-9]+)m)?(?:(?P<seconds>[0-9]+)s)?")


@click.command("events", epilog="Example: storectl events --since 24h --filter event=import")
@click.option("--since", metavar="WHEN", help="Not before: a time, Unix seconds, or an age such as 10m.")
@click.option("--until", metavar="WHEN", help="Not after.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="event=ACTION or image=ID.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def events_command(settings: Settings, *, since: str | None, until: str | None, filters: tuple[str, ...], as_json: bool) -> None:
    """Show what happened to images, oldest first."""
    from storectl import render  # noqa: PLC0415

    actions: list[str] = []
    targets: list[str] = []
    for text in filters:
        key, _, value = text.partition("=")
        if key not in ("event", "image") or not value:
            raise click.UsageError(f"invalid filter {text!r}: expected event=ACTION or image=ID")
        (actions if key == "event" else targets).append(value)
    now = datetime.now(UTC)
    with settings.open() as store:
        ids = [str(store.inspect(target).image_id) for target in targets]
        found = list(store.events(since=moment(since, now), until=moment(until, now), actions=actions, targets=ids))
    if as_json:
        render.document(
            [{"time": event.at.isoformat(), "action": event.action, "target": event.target, "attributes": dict(event.attributes)} for event in found]
        )
        return
    for event in found:
        attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
        render.line(f"{event.at.isoformat(timespec='microseconds')} image {event.action} {event.target}" + (f" ({attributes})" if attributes else ""))


def moment(text: str | None, now: datetime) -> datetime | None:
    """A time as docker takes them. Raises click.UsageError."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is not None and any(match.groups()):
        return now - timedelta(**{unit: int(value) for unit, value in match.groupdict().items() if value})
    try:
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise click.UsageError(f"{text!r} is no time; examples: 10m, 2026-01-31T12:00:00Z, 1767225600") from exc
    return found if found.tzinfo is not None else found.astimezone()
