"""Requests to one registry: authentication, redirects and retries around the transport."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar, final

from yarl import URL

from remote.auth.authorizer import Authorizer
from remote.auth.challenges import parse_challenges
from remote.auth.scopes import Scope
from remote.errors import AccessDenied, InvalidAnswer, RegistryError, Unreachable
from remote.http.faults import NETWORK_ERRORS, Fault, speaks_plain_http, translate
from remote.registry.call import Answer, Call
from remote.registry.endpoint import Endpoint
from remote.registry.redirects import Redirects
from remote.registry.refusals import refusal
from remote.registry.retries import Retries
from remote.registry.token_service import TokenService
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from remote.auth.credentials import CredentialSource
    from remote.registry.values import ReachedRegistry

Result = TypeVar("Result")

_BODY_BYTES: Final = 64 * 1024


@final
class Host:
    """One registry. Its repositories share connections, tokens and the pause of a rate limit.

    Args:
        reached: The registry, and how it is reached.
        source: The places where credentials are kept.
    """

    def __init__(self, reached: ReachedRegistry, source: CredentialSource) -> None:
        self.registry = registry = reached.name
        self.transport = transport = reached.transport
        self.settings = settings = reached.settings
        self._endpoint = Endpoint.of(registry, settings)
        self._base: URL | None = None
        self._base_lock = asyncio.Lock()
        self._paused_until = 0.0
        self._authorizer = Authorizer(
            registry,
            source,
            TokenService(reached, self.base).fetch,
            transport.settings.timing.monotonic,
        )

    async def ping(self) -> None:
        """Ask whether the registry answers and accepts the credentials.

        Raises:
            RegistryError: It does not.
        """
        call = Call(
            method="GET",
            path="",
            action=f"reach the registry {self.registry}",
            registry=self.registry,
            not_found=InvalidAnswer,
        )
        await self.document(call, _BODY_BYTES)

    async def document(self, call: Call, max_bytes: int) -> tuple[Answer, bytes]:
        """Send a request, and return its answer with the whole body.

        Args:
            call: The request.
            max_bytes: The ceiling for the body.

        Raises:
            RegistryError: The request failed, and retries did not help.
        """

        async def attempt() -> tuple[Answer, bytes]:
            answer = await self._once(call)
            try:
                return answer, await answer.read(max_bytes)
            finally:
                answer.release()

        limit_s = self.transport.settings.document_timeout_s

        async def in_time() -> tuple[Answer, bytes]:
            try:
                async with asyncio.timeout(limit_s):
                    return await attempt()
            except TimeoutError as fault:
                error = call.fault(Unreachable, f"no complete answer in {limit_s:.0f} s")
                raise Fault(error, is_transient=True) from fault

        return await self.retried(call, in_time)

    async def open(self, call: Call) -> Answer:
        """Send a request, and return its answer before the body; the caller releases it.

        Args:
            call: The request.

        Raises:
            RegistryError: The request failed, and retries did not help.
        """
        return await self.retried(call, lambda: self._once(call))

    async def retried(self, call: Call, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of the first attempt that succeeds.

        Args:
            call: The request; if it is not repeatable, there is one attempt.
            attempt: Sends the request.

        Raises:
            RegistryError: All attempts failed.
        """
        retries = Retries(self.transport.settings)
        while True:
            try:
                return await attempt()
            except Fault as fault:
                if not call.is_repeatable:
                    raise fault.error from fault.__cause__
                self._pause_others(fault)
                await retries.pause(fault)

    async def attempt(self, call: Call) -> Answer:
        """Send a request once.

        Args:
            call: The request.

        Raises:
            Fault: The request failed; a retry may help.
            RegistryError: The request failed, and no retry can help.
        """
        return await self._once(call)

    def _pause_others(self, fault: Fault) -> None:
        """Let the other requests to this registry wait as long as it asked this one to."""
        if fault.retry_after_s is not None:
            settings = self.transport.settings
            wait_s = min(fault.retry_after_s, settings.max_wait_s)
            self._paused_until = settings.timing.monotonic() + wait_s

    async def _once(self, call: Call) -> Answer:
        timing = self.transport.settings.timing
        if (wait_s := self._paused_until - timing.monotonic()) > 0:
            await timing.sleep(wait_s)
        header = await self._authorizer.current(call.repository, call.scopes)
        answer = await self._follow(call, header)
        wanted = call.scopes
        for _ in range(2):
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
            challenges = parse_challenges(answer.headers.getall("WWW-Authenticate", ()))
            body = await answer.error_body()
            answer.release()
            renewed = await self._authorizer.answer(
                challenges, call.repository, call.scopes, used=header, wanted=wanted
            )
            if renewed is None:
                raise await self._denied(call, answer, body)
            header = renewed
            answer = await self._follow(call, header)
            asked = (one.parameters.get("scope", "") for one in challenges)
            named = tuple(Scope(text) for scope in asked for text in scope.split())
            wanted = tuple(dict.fromkeys((*call.scopes, *named)))
        if answer.status in call.accepted:
            return answer
        try:
            body = await answer.error_body()
        finally:
            answer.release()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise await self._denied(call, answer, body)
        fault = refusal(call, answer, body, now_s=timing.now())
        raise fault if fault.is_transient else fault.error

    async def _denied(self, call: Call, answer: Answer, body: bytes) -> RegistryError:
        error = refusal(call, answer, body, now_s=0).error
        user = await self._authorizer.user(call.repository)
        return AccessDenied(
            error.message,
            registry=call.registry,
            repository=call.repository,
            status=answer.status,
            hint=f"check the credentials of {user!r}, and what this user may do" if user else None,
            remedy=None if user else Remedy.LOG_IN,
        )

    async def base(self, call: Call | None = None) -> URL:
        """Return the URL of the registry, ``https://registry.example/v2/``.

        A registry that may lack TLS is asked once, without credentials.

        Args:
            call: The request that needs the URL, for the words of errors; None for no request.

        Raises:
            RegistryError: The registry cannot be reached.
        """
        async with self._base_lock:
            if self._base is None:
                self._base = await self._find_base(call)
        return self._base

    async def _find_base(self, needed_by: Call | None) -> URL:
        *others, last = self._endpoint.candidates
        for candidate in others:
            call = Call(
                method="GET",
                path=candidate,
                action=needed_by.action if needed_by else f"reach the registry {self.registry}",
                registry=self.registry,
                repository=needed_by.repository if needed_by else "",
            )
            try:
                answer = await self.retried(call, partial(self._probe, call, candidate))
            except RegistryError as error:
                fault = error.__cause__
                if not isinstance(error, Unreachable) or not speaks_plain_http(fault):
                    raise
                continue
            answer.release()
            return candidate
        return last

    async def _probe(self, call: Call, url: URL) -> Answer:
        try:
            return await self._send(call, url, {}, is_registry=True)
        except Fault as fault:
            # Without TLS there may be an answer; and a server that is silent once stays silent.
            fault.is_transient = False
            raise

    async def _follow(self, call: Call, header: str | None) -> Answer:
        """Send a request and follow its redirects; other hosts get no ``Authorization``."""
        base = await self.base(call)
        url = call.path
        if not isinstance(url, URL):
            url = URL(f"{base}{url}", encoded=True)
        redirects = Redirects(call, base, url.update_query(call.query) if call.query else url)
        is_on_internet = self.transport.is_public(base.host or "")
        budgets = self.transport.settings.budgets
        while True:
            headers = dict(call.headers)
            if header is not None and redirects.is_registry:
                headers["Authorization"] = header
            answer = await self._send(
                call,
                redirects.url,
                headers,
                is_registry=redirects.is_registry,
                is_guarded=redirects.needs_public_address and is_on_internet,
            )
            if budgets is not None and redirects.is_registry:
                budgets.note(self.registry, answer.headers)
            try:
                is_redirect = redirects.follow(answer.status, answer.headers.get("Location", ""))
            except BaseException:
                answer.release()
                raise
            if not is_redirect:
                return answer
            answer.release()
            is_on_internet = is_on_internet or self.transport.is_public(base.host or "")

    async def _send(
        self,
        call: Call,
        url: URL,
        headers: Mapping[str, str],
        *,
        is_registry: bool,
        is_guarded: bool = False,
    ) -> Answer:
        try:
            response = await self.transport.send(
                call.method,
                url,
                headers=headers,
                registry=self.settings,
                is_registry=is_registry,
                is_guarded=is_guarded,
                body=call.body() if callable(call.body) else call.body,
                answer_timeout_s=call.answer_timeout_s,
            )
        except NETWORK_ERRORS as fault:
            raise translate(
                fault,
                action=call.action,
                url=url,
                registry=call.registry,
                repository=call.repository,
            ) from fault
        return Answer(call, response, self.transport)
