"""The id of a request, by which its log lines, its job and its answer are found together.

Entry points: `HEADER`, `request_id`.
"""

import re
import uuid
from typing import Final

from service.key_records import KEY_PREFIX

HEADER: Final = "X-Request-ID"

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=-]{0,127}")


def request_id(sent: str | None) -> str:
    """Return the id that a client sent where it is harmless, and a new one where not.

    Harmless are up to 128 letters, digits and ._:=- in which no key of the service can be.
    """
    if sent is not None and _HARMLESS.fullmatch(sent) and KEY_PREFIX not in sent:
        return sent
    return uuid.uuid4().hex
