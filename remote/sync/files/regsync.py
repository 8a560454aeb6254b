"""Sync files of regsync (regclient): images and repositories from registry to registry."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from remote.sync.files.fields import Fields
from remote.sync.files.own import ranges, regexes
from remote.sync.filters.tag_filter import TagFilter
from remote.sync.sources import USUAL, Access, Parts, Place, Source, SyncFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.sync.files.yaml_tree import Tree
    from store.model.references import Reference

_TOP: Final = ("version", "creds", "defaults", "sync")
_PACE: Final = (
    "interval",
    "schedule",
    "ratelimit",
    "parallel",
    "cacheCount",
    "cacheTime",
    "fastCopy",
    "forceRecursive",
    "skipDockerConfig",
    "userAgent",
)
"""Keys that say when and how fast regsync works, and not what the result is."""

_OTHER_RESULTS: Final = (
    "backup",
    "digestTags",
    "hooks",
    "includeExternal",
    "mediaTypes",
    "referrerFilters",
    "referrerSource",
    "referrerTarget",
)
_ENTRY: Final = ("source", "target", "type", "tags", "platform", "platforms", "referrers", "repos")
_CREDS: Final = ("registry", "user", "pass", "tls")
_CREDS_PACE: Final = ("apiOpts", "blobChunk", "blobMax", "priority", "repoAuth", "reqConcurrent")
_CREDS_OTHER: Final = (
    "clientCert",
    "clientKey",
    "credExpire",
    "credHelper",
    "credHost",
    "hostname",
    "mirrors",
    "pathPrefix",
    "regcert",
    "reqPerSec",
    "scheme",
    "token",
)
_TLS: Final = ("enabled", "insecure", "disabled")
_ENVIRONMENT: Final = re.compile(r'\{\{ ?env "([A-Za-z_][A-Za-z0-9_]*)" ?\}\}')


def read_regsync(tree: Tree, file: str, name: str, environment: Mapping[str, str]) -> SyncFile:
    """Return what a sync file of regsync lists.

    Args:
        tree: The content of the file.
        file: The name of the file, for messages.
        name: The name of the sync.
        environment: The variables for ``{{env "NAME"}}``; all other templates are refused.

    Raises:
        InvalidInput: The file is not valid, or needs what storectl does not support.
    """
    top = Fields(file, tree, "a sync file of regsync")
    top.only(_TOP)
    if (top.text("version") or "1") != "1":
        raise top.error("version", "expected 1")
    accesses = dict(_credentials(one, environment) for one in top.tables("creds", "credentials"))
    defaults = top.table("defaults", "a table of defaults")
    has_referrers = False
    if defaults is not None:
        defaults.only((*_PACE, *_OTHER_RESULTS, "referrers"))
        _refuse_other_results(defaults)
        has_referrers = defaults.flag("referrers")
    sources = tuple(
        _source(one, accesses, environment, has_referrers=has_referrers)
        for one in top.tables("sync", "an entry")
    )
    return SyncFile(name, sources)


def _refuse_other_results(fields: Fields) -> None:
    for key in _OTHER_RESULTS:
        if fields.tree(key) is not None and fields.tree(key) != _false(fields, key):
            fields.refuse(key, "the result would differ")


def _false(fields: Fields, key: str) -> Tree | None:
    """Return the value of a key if it is ``false``; else None."""
    tree = fields.tree(key)
    return tree if getattr(tree, "text", "") == "false" else None


def _credentials(fields: Fields, environment: Mapping[str, str]) -> tuple[str, Access]:
    fields.only((*_CREDS, *_CREDS_PACE, *_CREDS_OTHER))
    for key in _CREDS_OTHER:
        fields.refuse(key, "use the files of docker or podman for it")
    registry = _expanded(fields, "registry", fields.required("registry"), environment)
    domain = fields.reference("registry", f"{registry}/x").repository.domain
    tls = fields.text("tls") or "enabled"
    if tls not in _TLS:
        raise fields.error("tls", f"expected {', '.join(_TLS)}, found {tls[:80]!r}")
    username, password = (
        _expanded(fields, key, fields.text(key) or "", environment) for key in ("user", "pass")
    )
    if password and not username:
        raise fields.error("pass", "it needs a user")
    access = Access(
        username,
        password,
        tls_verify=False if tls == "insecure" else None,
        plain_http=tls == "disabled",
    )
    return domain, access


def _source(
    fields: Fields,
    accesses: Mapping[str, Access],
    environment: Mapping[str, str],
    *,
    has_referrers: bool,
) -> Source:
    fields.only((*_ENTRY, *_PACE, *_OTHER_RESULTS))
    _refuse_other_results(fields)
    kind = fields.required("type")
    if kind == "registry":
        raise fields.error(
            "type",
            "registry is not supported: not every registry lists its repositories",
            hint="write an entry of type repository for each of them",
        )
    if kind not in {"image", "repository"}:
        raise fields.error("type", f"expected image or repository, found {kind[:80]!r}")
    fields.refuse("repos", "it is for the type registry")
    origin, target = (_reference(fields, key, environment) for key in ("source", "target"))
    parts = Parts(
        fields.platforms("platform") or fields.platforms("platforms"),
        has_referrers=fields.flag("referrers", has_referrers),
    )
    found = Source(
        origin.repository,
        Place(target.repository, is_remote=True),
        fields.name,
        fields.line,
        parts=replace(parts, all_platforms=not parts.platforms),
        access=accesses.get(origin.repository.domain, USUAL),
        place_access=accesses.get(target.repository.domain, USUAL),
    )
    if kind == "image":
        if "tags" in fields:
            raise fields.error("tags", "it is for the type repository")
        origin, target = origin.with_default_tag(), target.with_default_tag()
        if target.digest is not None:
            raise fields.error("target", "expected a name without a digest")
        if origin.digest is not None:
            return replace(found, digests=(origin.digest,), renamed=target.tag)
        assert origin.tag is not None  # noqa: S101 - the default tag was added
        return replace(found, tags=(origin.tag,), renamed=target.tag)
    for key, reference in (("source", origin), ("target", target)):
        if not reference.is_name_only:
            raise fields.error(key, "expected a name without a tag for the type repository")
    return replace(found, filter=_filter(fields))


def _filter(fields: Fields) -> TagFilter:
    tags = fields.table("tags", "a table of filters")
    if tags is None:
        return TagFilter()
    tags.only(("allow", "deny", "semverRange"))
    return TagFilter(
        whole_regexes=regexes(tags, "allow"),
        denied_regexes=regexes(tags, "deny"),
        versions=ranges(tags, "semverRange"),
    )


def _reference(fields: Fields, key: str, environment: Mapping[str, str]) -> Reference:
    text = _expanded(fields, key, fields.required(key), environment)
    if text.startswith(("ocidir:", "ocifile:")):
        raise fields.error(
            key, "an OCI layout is not supported", hint="copy the image of a layout without a sync"
        )
    return fields.reference(key, text)


def _expanded(fields: Fields, key: str, text: str, environment: Mapping[str, str]) -> str:
    """Return a text with the values of the variables that it names."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise fields.error(key, f"the variable {found[1]} is not set")
        return environment[found[1]]

    expanded: str = _ENVIRONMENT.sub(value, text)
    if "{{" in _ENVIRONMENT.sub("", text):
        raise fields.error(key, 'templates other than {{env "NAME"}} are not supported')
    return expanded
