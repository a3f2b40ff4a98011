"""HTTP basic authentication, by which clients of Stable Diffusion WebUI show who they are.

Entry points: `key_in`, `CHALLENGE`.
"""

import base64
from typing import Final

CHALLENGE: Final = 'Basic realm="trimtab", charset="UTF-8"'
"""What tells a client that waits to be asked to send one."""


def key_in(authorization: str | None) -> str | None:
    """Return the key that an Authorization header has as its password, whatever the user's name.

    None where it is of another scheme; what cannot be read is no key, and comes back as "".
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        return ""
    return password
