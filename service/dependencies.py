"""What the routes are given, as `Annotated` types.

Entry points: `SettingsOf`, `MetricsOf`, `SharedStateOf`, `PoliciesOf`, `ReadyGeneration`, `ReadyCatalogue`,
`ServingOf`, `CallerOf`, `JobDeskOf`, `ClientGone`, `OnceOf`, `ReadinessOf`, `DrainingOf`; and `needs`, which keeps
callers without a role off a router.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service import basic_auth
from service.access import Access, check_role
from service.callers import Caller, Role
from service.catalogue import Catalogue
from service.configured import ConfiguredPolicies
from service.draining import Draining
from service.families import family_of
from service.generation import Generation
from service.jobs.desk import JobDesk
from service.metrics import Metrics
from service.observability.trail import current
from service.readiness import Readiness
from service.routes.once import Once
from service.serving import Serving
from service.settings import Settings
from service.state.degrading import Degrading
from service.state.shared import SharedState

# Both only read what was sent: what it is worth is `Access`'s to say. They describe themselves at GET /docs.
_BEARER = HTTPBearer(auto_error=False, description="A key that `trimtab keys create` has shown.")
_API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same; it wins over the other.")

Given = TypeVar("Given")


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


def _shared(request: Request) -> SharedState:
    return cast(SharedState, request.app.state.shared)


def _generation(request: Request) -> Generation:
    return cast(Readiness, request.app.state.readiness).generation()


def _policies(request: Request) -> ConfiguredPolicies:
    return cast(Readiness, request.app.state.readiness).policies


def _catalogue(request: Request) -> Catalogue:
    return cast(Readiness, request.app.state.readiness).ready().catalogue


def _serving(request: Request) -> Serving:
    degrading = cast(Degrading, request.app.state.degrading)
    return Serving(_generation(request), _metrics(request), degrading.allowances, _draining(request))


def _draining(request: Request) -> Draining:
    return cast(Draining, request.app.state.draining)


def _readiness(request: Request) -> Readiness:
    return cast(Readiness, request.app.state.readiness)


async def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    api_key: Annotated[str | None, Security(_API_KEY)],
) -> Caller:
    sent = api_key or (None if bearer is None else bearer.credentials)
    if sent is None and basic_auth.CHALLENGE in family_of(request.url.path).challenges:
        sent = basic_auth.key_in(request.headers.get("Authorization"))
    caller = cast(Access, request.app.state.access).caller(sent, _policies(request))
    current().tenant = caller.tenant.name or None
    return caller


def _desk(request: Request) -> JobDesk:
    return cast(JobDesk, request.app.state.desk)


CallerOf = Annotated[Caller, Depends(_caller)]


def _read(read: Callable[[Request], Given]) -> Dependency:
    """Return what gives a route what `read` finds of a request at once; a plain function would take a thread."""

    async def given(request: Request) -> Given:
        return read(request)

    return cast(Dependency, Depends(given))


async def _client_gone(request: Request) -> AsyncIterator[asyncio.Event]:
    """Set the event when the client disconnects."""
    gone = asyncio.Event()

    async def watch() -> None:
        # The body has been read: the next message is the disconnect.
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        yield gone
    finally:
        watcher.cancel()


async def _once(
    request: Request,
    caller: CallerOf,
) -> AsyncIterator[Once]:
    """Let go of the request's key once it has been answered, however that went."""
    once = await Once.of(request, _shared(request).answers, request.app.state.draining, caller.tenant.name)
    try:
        yield once
    finally:
        await once.end()


SettingsOf = Annotated[Settings, _read(_settings)]
MetricsOf = Annotated[Metrics, _read(_metrics)]
SharedStateOf = Annotated[SharedState, _read(_shared)]
PoliciesOf = Annotated[ConfiguredPolicies, _read(_policies)]
ReadyCatalogue = Annotated[Catalogue, _read(_catalogue)]
ReadyGeneration = Annotated[Generation, _read(_generation)]
ServingOf = Annotated[Serving, _read(_serving)]
OnceOf = Annotated[Once, Depends(_once)]
JobDeskOf = Annotated[JobDesk, _read(_desk)]
ClientGone = Annotated[asyncio.Event, Depends(_client_gone)]
ReadinessOf = Annotated[Readiness, _read(_readiness)]
DrainingOf = Annotated[Draining, _read(_draining)]


def needs(role: Role) -> Dependency:
    """Return what refuses callers without a role, for the `dependencies` of a router or a route."""

    async def check(caller: CallerOf) -> None:
        check_role(caller, role)

    return cast(Dependency, Depends(check))
