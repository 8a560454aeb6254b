"""The application's only resource in aiohttp's router: it passes every path to one handler.

`mirror.api.routes` parses the paths. Otherwise aiohttp would match each path with a regular
expression, and describe the match with new objects for each request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ROOT: Final = "/"


@final
class EveryPath(web.PlainResource):
    """A resource with every path and every method.

    Args:
        handler: Answers all requests.
        expect_handler: Answers the header ``Expect``.
    """

    def __init__(
        self,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        expect_handler: Callable[[web.Request], Awaitable[web.StreamResponse | None]],
    ) -> None:
        # aiohttp looks for the resource of a path below each beginning of the path.
        super().__init__(_ROOT)
        route = self.add_route("*", handler, expect_handler=expect_handler)
        self._found = _Match({}, route)

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the match of a path; None for a target that is not a path, such as ``*``.

        Args:
            request: The request.
        """
        return (self._found if request.path.startswith(_ROOT) else None), set()


@final
class _Match(web.UrlMappingMatchInfo):
    """The match of every request; aiohttp would make one for each request."""

    __slots__ = ()

    def add_app(self, app: web.Application) -> None:
        """Note the application that answers; aiohttp calls this for each request."""
        if self._current_app is None:
            super().add_app(app)
