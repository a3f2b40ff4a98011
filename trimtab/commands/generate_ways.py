"""The two ways of `trimtab generate`: in this process, and by a running service.

Entry points: `make_here`, `make_by_server`; both tell what happens, and answer alike. `refusal` is for all commands
that ask a service.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from trimtab.commands.console import hide_loading_bars

if TYPE_CHECKING:
    import httpx2

    from service.generated import Generated
    from service.happenings import Happening, Told
    from service.schemas import GenerateRequest, GenerateResponse
    from service.settings import Settings

CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 60.0
"""The service says something four times as often."""


class ServerError(Exception):
    """The service cannot be asked, refuses or fails."""


def make_here(request: GenerateRequest, settings: Settings, told: Told) -> GenerateResponse:
    """Load the model and make the images; raises what the service refuses requests with.

    The ledger begins empty: what running services have counted is theirs. An audit log that is configured gets the
    images' lines.
    """
    from policies.memory_ledger import MemoryLedger
    from service.answers import json_answer
    from service.audit.log import open_audit_log
    from service.generation import Generation
    from service.inscribing import open_inscriber
    from service.loading import load_alone

    hide_loading_bars()
    audit, inscriber = open_audit_log(settings), open_inscriber(settings)

    async def generated() -> Generated:
        if audit is not None:
            await audit.open()
        loaded = await asyncio.to_thread(load_alone, settings)
        generation = Generation(loaded, settings, MemoryLedger(), audit=audit, inscriber=inscriber)
        return await generation.generate(request, told=told)

    try:
        return json_answer(asyncio.run(generated()), "png")
    finally:
        if audit is not None:
            audit.close()


def make_by_server(request: GenerateRequest, url: str, key: str | None, told: Told) -> GenerateResponse:
    """Have a service make the images; raises ServerError with the service's own words."""
    import httpx2

    body = {**request.model_dump(mode="json", by_alias=True, exclude_none=True), "stream": True}
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    timeout = httpx2.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    try:
        with httpx2.stream(
            "POST", f"{url.rstrip('/')}/generate", json=body, headers=headers, timeout=timeout
        ) as response:
            if response.status_code != 200:
                response.read()
                raise ServerError(refusal(response.status_code, response.text))
            return _heard(response, told)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ServerError(
            f"The service at {url} cannot be reached: {error}. See that it runs there."
        ) from error


def _heard(response: httpx2.Response, told: Told) -> GenerateResponse:
    """Return what a stream of events ends with."""
    import httpx2

    from service.schemas import GenerateResponse

    images = []
    # An image may be larger than the events that the client takes by default.
    for event in httpx2.EventSource(response, max_event_size=None):
        data: dict[str, Any] = json.loads(event.data)
        match event.event:
            case "queued" | "step":
                told(_happening(event.event, data))
            case "image":
                images.append({name: value for name, value in data.items() if name != "image"})
            case "done":
                return GenerateResponse.model_validate({**data, "images": images})
            case "error":
                raise ServerError(refusal(data["status"], json.dumps(data)))
    raise ServerError("The service ended its answer before the images were made. Try again.")


def _happening(kind: str, data: dict[str, Any]) -> Happening:
    from service.happenings import Queued, Stepped

    return Queued(data["position"]) if kind == "queued" else Stepped(**data)


def refusal(status: int, body: str) -> str:
    """The service's own words; what something between here and there said, where it is not the service's."""
    try:
        error = json.loads(body)["error"]
        return f"{error['message']} {error['cure']}"
    except (ValueError, KeyError, TypeError):
        return f"The answer is {status}, and not Trimtab's: {body[:200]!r}. See that --url names the service."
