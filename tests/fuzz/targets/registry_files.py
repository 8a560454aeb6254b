"""Files of docker and podman: credentials, and the settings of registries.

The first byte chooses the kind of the file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

from remote.configuration.pull_sources import RegistryBlocked, named_references, pull_sources
from remote.configuration.registries_conf import RegistriesConf
from remote.credentials.documents import AuthDocument
from remote.credentials.keys import Key
from remote.credentials.places import Kind
from store.errors import InvalidInput
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

MAX_BYTES: Final = 4096
SEEDS: Final = (
    b'd{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"}}, "credsStore": "pass"}',
    b'd{"auths": {"q.io/a": {"username": "me", "password": "s"}}, "credHelpers": {"q.io": "ecr"}}',
    b'c{"auths": {"q.io": {"identitytoken": "t", "registrytoken": null}}, "x": [2.5, "\\ud800"]}',
    b'o{"http://q.io/v1/": {"auth": "PHRva2VuPjp0"}}',
    b"runqualified-search-registries = ['q.io']\nshort-name-mode = ''\n[aliases]\na = 'b/c'",
    b"rregistry = [{location = 'q.io', mirror = [{location = 'm.io', pull-from-mirror = 'all'}]}]",
    b"r[[registry]]\nprefix = 'q.io/a'\nlocation = 'r.io'\ninsecure = true",
    b"r[[registry]]\nprefix = '*.io'\nblocked = true\nmirror-by-digest-only = true",
    b"r[registries.search]\nregistries = ['a.io']\n[registries.block]\nregistries = ['q.io']",
)
TOKENS: Final = (
    b'"auths"',
    b'"credHelpers"',
    b'"auth": "',
    b"null",
    b"{}",
    b"[[registry]]\n",
    b"[[registry.mirror]]\n",
    b"location = 'q.io/a'\n",
    b"prefix = '*.q.io'\n",
    b"pull-from-mirror = 'digest-only'\n",
    b"[aliases]\n",
    b"q.io/a:1",
)
NAMES: Final = ("q.io/a:1", "q.io/a@sha256:" + "ab" * 32, "b.q.io:5000/x:1", "a:1", "a")


def check(data: bytes) -> None:
    """Check that only InvalidInput is raised, and that an edited file keeps what it had."""
    text = data[1:].decode("utf-8", "replace")
    if data[:1] == b"r":
        _settings(text)
    else:
        _credentials(text, {b"c": Kind.CONTAINERS, b"o": Kind.DOCKERCFG}.get(data[:1], Kind.DOCKER))


def _credentials(text: str, kind: Kind) -> None:
    document = _allowed(lambda: AuthDocument.parse(text, "f", kind))
    if document is None:
        return
    for spelled in document.entries:
        _allowed(lambda spelled=spelled: document.credentials(spelled))  # type: ignore[misc]
    _allowed(lambda: document.helper_for(Key("q.io")))
    edited = AuthDocument.parse(document.with_entry("new.io", {"auth": "YTpi"}), "f", kind)
    assert edited.credentials("new.io")
    without = AuthDocument.parse(edited.without_entries(["new.io"]), "f", kind)
    left = {key: value for key, value in document.entries.items() if key != "new.io"}
    assert json.dumps(without.entries) == json.dumps(left)
    if kind is not Kind.DOCKERCFG:
        others = {key: value for key, value in document.members.items() if key != "auths"}
        assert json.dumps({**without.members, "auths": 0}) == json.dumps(
            {key: 0 if key == "auths" else value for key, value in document.members.items()}
            if "auths" in document.members
            else {**others, "auths": 0}
        )


def _settings(text: str) -> None:
    conf = _allowed(lambda: RegistriesConf.parse(text, "f"))
    if conf is None:
        return
    merged = RegistriesConf.merged((conf, conf))
    for name in NAMES:
        sources = _allowed(
            lambda name=name: pull_sources(  # type: ignore[misc]
                merged, Reference.parse(name).with_default_tag()
            )
        )
        assert sources is None or not sources[-1].is_mirror
        found = _allowed(lambda name=name: named_references(merged, name))  # type: ignore[misc]
        assert found is None or found
        conf.is_insecure(name.partition("/")[0])


def _allowed(call: Callable[[], Result]) -> Result | None:
    try:
        return call()
    except (InvalidInput, RegistryBlocked) as exc:
        assert exc.message.isprintable()
        return None
