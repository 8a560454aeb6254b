"""Sync files of storectl: a list of sources, each an image or a repository with filters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from remote.sync.files.fields import Fields
from remote.sync.filters.regex import Regex
from remote.sync.filters.tag_filter import Globs, Order, TagFilter
from remote.sync.filters.versions import VersionRange
from remote.sync.sources import REMOTE, Parts, Place, Source, SyncFile
from store.model.references import Reference, Repository, is_tag

if TYPE_CHECKING:
    from remote.sync.files.yaml_tree import Tree

MAX_NEWEST: Final = 1_000_000
"""The greatest value of ``newest``."""

_COMMON: Final = ("platforms", "referrers", "immutable", "signed", "prune")
_TOP: Final = ("name", "defaults", "sources")
_SOURCE: Final = ("image", "repository", "tags", "to", *_COMMON)
_TAGS: Final = (
    "include",
    "exclude",
    "regex",
    "semver",
    "newest",
    "order",
    "younger-than",
)
_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_AGE: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_NAME: Final = 64


@final
@dataclass(frozen=True, slots=True)
class _Defaults:
    """The values of sources that do not have their own."""

    parts: Parts | None = None
    immutable: Globs = field(default_factory=Globs)
    is_signed: bool = False
    prunes: bool = False


def read_own(tree: Tree, file: str, name: str) -> SyncFile:
    """Return what a sync file of storectl lists.

    Args:
        tree: The content of the file.
        file: The name of the file, for messages.
        name: The name of the sync, unless the file has one.

    Raises:
        InvalidInput: The file is not valid.
    """
    top = Fields(file, tree, "a sync file")
    top.only(_TOP)
    given = top.text("name")
    if given is not None and (not _NAME.fullmatch(given) or len(given) > _MAX_NAME):
        raise top.error("name", f"expected letters a-z, digits and hyphens, found {given[:80]!r}")
    defaults = _Defaults()
    if (table := top.table("defaults", "a table of defaults")) is not None:
        table.only(_COMMON)
        defaults = _common(table, defaults)
    sources = tuple(_source(one, defaults) for one in top.tables("sources", "a source"))
    return SyncFile(given or name, sources, defaults.prunes)


def _common(fields: Fields, defaults: _Defaults) -> _Defaults:
    parts = defaults.parts
    if "platforms" in fields:
        is_all = [text for _, text in fields.texts("platforms")] == ["all"]
        wanted = () if is_all else fields.platforms("platforms")
        parts = replace(parts or Parts(), platforms=wanted, all_platforms=is_all)
    if "referrers" in fields:
        parts = replace(parts or Parts(), has_referrers=fields.flag("referrers"))
    immutable = defaults.immutable
    if "immutable" in fields:
        immutable = globs(fields, "immutable")
    return _Defaults(
        parts,
        immutable,
        fields.flag("signed", defaults.is_signed),
        fields.flag("prune", defaults.prunes),
    )


def _source(fields: Fields, defaults: _Defaults) -> Source:
    fields.only(_SOURCE)
    if ("image" in fields) == ("repository" in fields):
        raise fields.error("image", "expected either 'image' or 'repository' in a source")
    common = _common(fields, defaults)
    is_remote = (fields.text("to") or "").startswith(REMOTE)
    if is_remote and fields.flag("prune"):
        raise fields.error(
            "prune", "tags in a registry cannot be removed in a way that is undoable"
        )
    parts = common.parts
    source = Source(
        Repository("docker.io", "x"),
        Place(Repository("docker.io", "x")),
        fields.name,
        fields.line,
        # As in crane, regctl and regsync, a registry gets all platforms.
        parts=replace(parts or Parts(), all_platforms=True)
        if is_remote and (parts is None or not parts.platforms)
        else parts,
        immutable=common.immutable,
        is_signed=common.is_signed,
        prunes=common.prunes,
    )
    if "image" in fields:
        return _image(fields, source)
    reference = fields.reference("repository")
    if not reference.is_name_only:
        raise fields.error(
            "repository",
            "expected a name without a tag or digest",
            hint="write 'image' for one image, or list tags under 'tags'",
        )
    place, tag = _place(fields, reference.repository)
    if tag is not None:
        raise fields.error("to", "expected a name without a tag")
    source = replace(source, repository=reference.repository, place=place)
    tree = fields.tree("tags")
    if tree is None:
        return replace(source, filter=TagFilter())
    if not hasattr(tree, "lines"):
        tags = tuple(_tag(fields, line, text) for line, text in fields.texts("tags"))
        if not tags:
            raise fields.error("tags", "the list is empty", hint="leave 'tags' out for all tags")
        return replace(source, tags=tags)
    return replace(source, filter=_filter(Fields(fields.name, tree, "a table of filters")))


def _image(fields: Fields, source: Source) -> Source:
    if "tags" in fields:
        raise fields.error("tags", "an image has one tag", hint="write 'repository' for several")
    reference = fields.reference("image").with_default_tag()
    place, tag = _place(fields, reference.repository)
    source = replace(source, repository=reference.repository, place=place)
    if reference.digest is not None:
        if place.is_remote:
            return replace(source, digests=(reference.digest,), renamed=tag)
        if tag is not None:
            raise fields.error("to", "an image with a digest gets no tag")
        return replace(source, digests=(reference.digest,))
    assert reference.tag is not None  # noqa: S101 - the default tag was added
    return replace(source, tags=(reference.tag,), renamed=tag)


def _place(fields: Fields, repository: Repository) -> tuple[Place, str | None]:
    """Return the place that receives the images, and the tag that ``to`` names."""
    text = fields.text("to")
    if text is None and "to" not in fields.keys():  # noqa: SIM118 - `in` leaves out null
        return Place(repository), None
    if text in {None, "", REMOTE, "store:"}:
        raise fields.error(
            "to",
            "it names no repository",
            hint=f"write a name in the store, or {REMOTE}REGISTRY/NAME; leave 'to' out to keep the"
            " name",
        )
    is_remote = text.startswith(REMOTE)
    found: Reference = fields.reference("to", text.removeprefix("store:"))
    if found.digest is not None:
        raise fields.error("to", "expected a name without a digest")
    return Place(found.repository, is_remote), found.tag


def _filter(fields: Fields) -> TagFilter:
    fields.only(_TAGS)
    order = fields.text("order") or Order.VERSION.value
    if order not in {one.value for one in Order}:
        raise fields.error("order", f"expected version or created, found {order[:80]!r}")
    newest = fields.number("newest", 1, MAX_NEWEST)
    if newest is None and "order" in fields:
        raise fields.error("order", "it needs 'newest'")
    return TagFilter(
        include=globs(fields, "include"),
        exclude=globs(fields, "exclude"),
        regexes=regexes(fields, "regex"),
        versions=ranges(fields, "semver"),
        newest=newest,
        order=Order(order),
        younger_than=_age(fields, "younger-than"),
    )


def globs(fields: Fields, key: str) -> Globs:
    """Return patterns of tags.

    Raises:
        InvalidInput: A pattern is not valid.
    """
    return Globs(
        tuple(
            fields.parsed(key, line, lambda one=text: Globs.parse((one,)).patterns[0])  # type: ignore[misc]
            for line, text in fields.texts(key)
        )
    )


def regexes(fields: Fields, key: str) -> tuple[Regex, ...]:
    """Return regular expressions.

    Raises:
        InvalidInput: An expression is not valid.
    """
    return tuple(
        fields.parsed(key, line, lambda one=text: Regex(one))  # type: ignore[misc]
        for line, text in fields.texts(key)
    )


def ranges(fields: Fields, key: str) -> tuple[VersionRange, ...]:
    """Return ranges of versions.

    Raises:
        InvalidInput: A range is not valid.
    """
    return tuple(
        fields.parsed(key, line, lambda one=text: VersionRange.parse(one))  # type: ignore[misc]
        for line, text in fields.texts(key)
    )


def _age(fields: Fields, key: str) -> timedelta | None:
    text = fields.text(key)
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if found is None:
        raise fields.error(key, f"expected an age such as 90d or 12h, found {text[:80]!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _tag(fields: Fields, line: int, text: str) -> str:
    def checked() -> str:
        if not is_tag(text):
            raise ValueError(f"invalid tag {text[:80]!r}")
        return text

    return fields.parsed("tags", line, checked)
