"""Origins, as browsers name where a page is from.

Entry point: `Origin`, the type of settings that name some.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9-]+(\.[a-z0-9-]+)*)(:\d{1,5})?")


def _is_origin(text: str) -> str:
    if text != "*" and _ORIGIN.fullmatch(text) is None:
        raise ValueError(
            f"{text!r:.100} is no origin. Write it as browsers send it, such as https://studio.example.com: "
            "scheme, host in lower case and port, nothing after it; or * for all."
        )
    return text


Origin = Annotated[str, AfterValidator(_is_origin)]
