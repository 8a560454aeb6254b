from __future__ import annotations

from remote.errors import RateLimited
from remote.registry.call import Call

CALL = Call(method="GET", path="", action="reach r.example", registry="r.example", repository="app")


def test_an_error_names_the_request() -> None:
    error = CALL.fault(RateLimited, "too many", status=429, retry_after_s=5)
    assert error.message == "cannot reach r.example: too many"
    assert (error.registry, error.repository, error.status) == ("r.example", "app", 429)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 5
