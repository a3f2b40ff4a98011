"""The address of the shared state: what is one, without asking anybody.

Entry point: `check_address`. Nothing of an address is ever repeated: it may hold a password.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

SCHEMES: Final = ("redis", "rediss")

OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "max_connections": int,
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
}
"""What may follow the question mark: seconds, connections, and the files of TLS."""


def check_address(url: str) -> None:
    """Raise ValueError, with the cure, unless this is redis:// or, for TLS, rediss:// with options that there are."""
    try:
        address = urlsplit(url)
        given = parse_qsl(address.query, strict_parsing=True) if address.query else []
        complete = address.scheme in SCHEMES and address.hostname and address.port != 0
    except ValueError:  # its text would repeat parts of the address
        complete, given = False, []
    if not complete:
        raise ValueError(
            "not the address of a Redis. Give redis://[user:password@]host[:port][/database], or the same with "
            "rediss:// for TLS; write special characters of a password as %40 and the like."
        )
    for option, value in given:
        if option not in OPTIONS:
            raise ValueError(
                f"there is no option {option!r} in the address. There are: {', '.join(OPTIONS)}."
            )
        try:
            OPTIONS[option](value)
        except ValueError:
            raise ValueError(f"the option {option} cannot be {value!r}. Give a number.") from None
