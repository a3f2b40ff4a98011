"""Jobs as their clients see them over HTTP, for tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}
# Many seconds where two images are made at a time: in flight until it is given up.
LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 999, "num_images": 8}


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: Any
    id: str | None


def events_of(text: str) -> list[Event]:
    """The server-sent events in an answer, comments left out."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


def has_ended(job: Mapping[str, Any]) -> bool:
    return job["state"] in ("done", "failed", "cancelled", "set_aside")


def is_running(job: Mapping[str, Any]) -> bool:
    return job["state"] == "running"
