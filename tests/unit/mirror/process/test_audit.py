"""The audit log of denied requests."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import bcrypt
from aiohttp.test_utils import make_mocked_request

from mirror.access import Access, read_rules
from mirror.process.audit import ALL_LINES, NETWORK_LINE_S, NETWORK_LINES, AuditLog
from mirror.process.metrics import Metrics
from mirror.protocol.errors import NOT_LOGGED_IN, Denial, WireError
from mirror.service import MirrorSettings
from store.formats.distribution.errors import ErrorCode
from tests.support.clocks import StillClock

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from aiohttp import web

    from tests.support.mirror_in_process import InProcessMirror

RULES = """
[groups]
builders = ["alice"]
[[rule]]
repositories = ["team/**"]
who = ["@builders"]
allow = ["read"]
"""


def _lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.name == "mirror.audit"]


def _request(address: str, **headers: str) -> web.Request:
    request = make_mocked_request("GET", "/v2/team/app/tags/list?password=x", headers)
    return request.clone(remote=address)


def _denied(reason: str = "no permission") -> WireError:
    return WireError(403, ErrorCode.DENIED, "x", denial=Denial(reason, "read", "team/app"))


def test_denials_are_logged_with_who_what_where_and_why(
    serve: Callable[..., InProcessMirror], caplog: pytest.LogCaptureFixture
) -> None:
    users = {
        name: bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4)) for name in ("alice", "mallory")
    }
    ask = serve(MirrorSettings(access=Access(users, rules=read_rules(RULES))))

    def as_user(credentials: str) -> str:
        return f"Basic {base64.b64encode(credentials.encode()).decode()}"

    # A client learns how to log in, and alice may read: neither is a denial.
    assert ask("GET", "/v2/team/app/tags/list").status == 401
    assert ask("GET", "/v2/team/app/tags/list", Authorization=as_user("alice:secret")).status == 404
    assert not _lines(caplog)
    ask("GET", "/v2/team/app/tags/list", Authorization=as_user("mallory:secret"))
    ask("DELETE", "/v2/team/app/manifests/1", Authorization=as_user("alice:secret"))
    ask("GET", "/v2/team/app/tags/list", Authorization=as_user("alice:wrong"))
    ask("GET", "/v2/team/app/tags/list", Authorization=as_user("hunter2-typed-as-name:x"))
    ask("GET", "/v2/team/app/tags/list", Authorization="Bearer wrong-token")
    lines = _lines(caplog)
    assert [
        (line["user"], line["claimed_user"], line["action"], line["reason"]) for line in lines
    ] == [
        ("mallory", None, "read", "no permission"),
        ("alice", None, "delete", "no permission"),
        (None, "alice", "", "wrong credentials"),
        (None, None, "", "wrong credentials"),
        (None, None, "", "wrong credentials"),
    ]
    assert {(line["remote"], line["method"]) for line in lines} == {
        ("127.0.0.1", "GET"),
        ("127.0.0.1", "DELETE"),
    }
    assert lines[0]["repository"] == "docker.io/team/app"
    assert "hunter2" not in str(lines)
    assert b'storectl_events_total{event="denied_requests"} 5\n' in (
        ask("GET", "/metrics", Authorization=as_user("alice:secret")).body
    )


def test_lines_of_one_network_have_a_ceiling_and_others_do_not_suffer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, metrics = StillClock(), Metrics()
    audit = AuditLog(metrics, clock)
    for number in range(1000):
        audit.denied(_request(f"2001:db8:7:{number:x}::1"), _denied())
    assert len(_lines(caplog)) == NETWORK_LINES
    audit.denied(_request("192.0.2.1"), _denied())
    last = _lines(caplog)[-1]
    assert (last["remote"], last["left_out"]) == ("192.0.2.1", 1000 - NETWORK_LINES)
    assert last["path"] == "/v2/team/app/tags/list"
    clock.now += NETWORK_LINE_S
    for _ in range(2):
        audit.denied(_request("2001:db8:7::1"), _denied())
    assert len(_lines(caplog)) == NETWORK_LINES + 2
    assert _lines(caplog)[-1]["left_out"] == 0
    assert 'event="denied_requests"} 1003' in metrics.render({})


def test_all_networks_together_have_a_ceiling(caplog: pytest.LogCaptureFixture) -> None:
    audit = AuditLog(Metrics(), StillClock())
    for number in range(3000):
        audit.denied(_request(f"10.{number % 250}.{number // 250}.1"), _denied())
    assert len(_lines(caplog)) == ALL_LINES
    assert len(audit._restored_at) <= ALL_LINES + 1


def test_errors_that_deny_nothing_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit = AuditLog(Metrics(), StillClock())
    audit.denied(_request("10.0.0.1"), WireError(404, ErrorCode.NAME_UNKNOWN, "x"))
    audit.denied(_request("10.0.0.1"), _denied(NOT_LOGGED_IN))
    assert not _lines(caplog)
    audit.denied(_request("10.0.0.1", Authorization="Bearer x"), _denied(NOT_LOGGED_IN))
    assert len(_lines(caplog)) == 1
