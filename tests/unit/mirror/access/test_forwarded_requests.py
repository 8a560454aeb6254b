from __future__ import annotations

from mirror.access.forwarded_requests import ForwardedRequests


def test_one_network_leaves_requests_for_others() -> None:
    requests = ForwardedRequests(2)
    assert [requests.begin("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert requests.begin("10.0.0.2")
    requests.end("10.0.0.1")
    assert requests.begin("10.0.0.1")
    for network in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        requests.end(network)
    assert not requests._running
