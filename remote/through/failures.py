"""The failures of upstream registries, remembered for a short time in the memory of one process.

A registry that has failed is not asked again until a pause has passed. Then one request asks it.
Meanwhile, all others get the error at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from remote.errors import Offline, RegistryUnavailable
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

FIRST_PAUSE: Final = timedelta(seconds=2)
"""How long a registry is not asked after its first failure; each further failure doubles it."""

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""The longest pause that a registry has not asked for."""

LONGEST_ASKED_PAUSE: Final = timedelta(hours=1)
"""The longest pause, also if a registry asks for more (``Retry-After``)."""


@dataclass(slots=True)
class _Failure:
    error: RegistryUnavailable
    pause: timedelta
    until: datetime
    is_probed: bool = False


@final
class Failures:
    """The registries that have failed a moment ago. All methods belong to one event loop.

    Args:
        now: Returns the current time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failed: dict[str, _Failure] = {}

    def has_failed(self, registry: str) -> bool:
        """Return whether a registry has failed, and was not seen to answer since."""
        return registry in self._failed

    def check(self, registry: str) -> None:
        """Raise if a registry must not be asked now.

        Args:
            registry: The registry.

        Raises:
            RegistryUnavailable: It has failed a moment ago, or another request asks it now.
        """
        failure = self._failed.get(registry)
        if failure is None:
            return
        wait_s = (failure.until - self._now()).total_seconds()
        if wait_s > 0 or failure.is_probed:
            error = failure.error
            raise type(error)(
                f"{registry} has failed a moment ago: {error.message}",
                registry=registry,
                status=error.status,
                retry_after_s=max(wait_s, 1.0),
                hint=error.hint,
            )

    @contextmanager
    def request(self, registry: str) -> Iterator[None]:
        """Send a request to a registry inside this context, and remember its outcome.

        Args:
            registry: The registry.

        Raises:
            RegistryUnavailable: The registry has failed a moment ago, so it is not asked.
        """
        self.check(registry)
        probed = self._failed.get(registry)
        if probed is not None:
            probed.is_probed = True
        error: StoreError | None = None
        is_over = False
        try:
            yield
            is_over = True
        except StoreError as exc:
            error, is_over = exc, True
            raise
        finally:
            if is_over:
                self.settle(registry, error)
            elif probed is not None:
                probed.is_probed = False

    def settle(self, registry: str, error: Exception | None) -> None:
        """Remember the outcome of a request.

        Args:
            registry: The registry.
            error: Why the request has failed; None if it has succeeded.
        """
        if not isinstance(error, RegistryUnavailable):
            # The registry answers, even if it does not have what was asked for.
            self._failed.pop(registry, None)
            return
        if isinstance(error, Offline):
            return
        now, last = self._now(), self._failed.get(registry)
        if last is None:
            pause = FIRST_PAUSE
        elif last.is_probed or last.until <= now:
            pause = min(last.pause * 2, LONGEST_PAUSE)
        else:
            # A request that was running already says nothing new.
            pause = last.pause
        asked = timedelta(
            seconds=min(error.retry_after_s or 0, LONGEST_ASKED_PAUSE.total_seconds())
        )
        until = now + max(pause, asked)
        if last is not None:
            until = max(until, last.until)
        self._failed[registry] = _Failure(error, pause, until)
