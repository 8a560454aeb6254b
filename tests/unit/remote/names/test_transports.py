from __future__ import annotations

import pytest

from remote.names.transports import FORMS, PREFIXES, UNSUPPORTED, Transport, split_transport


@pytest.mark.parametrize("transport", list(Transport), ids=lambda transport: transport.value)
def test_every_prefix_is_split_off(transport: Transport) -> None:
    assert split_transport(f"{transport.value}rest:1") == (transport, "rest:1")
    assert FORMS[transport].startswith(transport.value)
    assert transport.value in PREFIXES


@pytest.mark.parametrize(
    "text",
    ["alpine", "docker:dind", "docker:/alpine", "localhost:5000/app", "ssh:1", "OCI:x", "s3://b"],
)
def test_names_without_a_transport_stay_whole(text: str) -> None:
    assert split_transport(text) == (None, text)


def test_no_prefix_hides_another_one() -> None:
    for one in Transport:
        others = [other for other in Transport if other is not one]
        assert not any(one.value.startswith(other.value) for other in others)
    assert not UNSUPPORTED & {transport.value.rstrip(":/") for transport in Transport}
