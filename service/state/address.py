"""The address of the shared state: what is one, without asking anybody.

Entry points: `check_address`, `parse_address`. Nothing of an address is ever repeated: it may hold a password.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORTS: Final[Mapping[str, int]] = {
    "redis": 6379,
    "rediss": 6379,
    "redis+sentinel": 26379,
    "rediss+sentinel": 26379,
}

OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "max_connections": int,
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "sentinel_username": str,
    "sentinel_password": str,
}
"""What may follow the question mark: seconds, connections, the files of TLS, and who asks the sentinels."""


@dataclass(frozen=True)
class Address:
    """Where a Redis is, and how to reach it."""

    hosts: tuple[tuple[str, int], ...]
    """The Redis itself, or the sentinels that know where it is."""
    service: str | None
    """What the sentinels call it; None where there are none."""
    database: int
    is_tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    """The others of OPTIONS that were given."""


def check_address(url: str) -> None:
    """Raise ValueError, with the cure, unless `parse_address` can read it."""
    parse_address(url)


def parse_address(url: str) -> Address:
    """Read redis://[user:password@]host[:port][/database], or with sentinels
    redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database]; rediss for TLS, and ?options.

    Raises ValueError, with the cure.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
        hosts = _hosts(parts)
        service, database = _path(parts)
    except (ValueError, KeyError):  # their text would repeat parts of the address
        raise ValueError(
            "not the address of a Redis. Give redis://[user:password@]host[:port][/database], or with sentinels "
            "redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database], or the same with "
            "rediss for TLS; write special characters of a password as %40 and the like."
        ) from None
    is_tls = parts.scheme.startswith("rediss")
    options = _options(given, is_tls=is_tls, has_sentinels=service is not None)
    return Address(
        hosts=hosts,
        service=service,
        database=database,
        is_tls=is_tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sentinel_username=options.pop("sentinel_username", None),
        sentinel_password=options.pop("sentinel_password", None),
        options=options,
    )


def _hosts(parts: SplitResult) -> tuple[tuple[str, int], ...]:
    default_port, hosts = _PORTS[parts.scheme], parts.netloc.rpartition("@")[2].split(",")
    if len(hosts) > 1 and not parts.scheme.endswith("+sentinel"):
        raise ValueError("several hosts")
    return tuple(_host(urlsplit(f"//{host}"), default_port) for host in hosts)


def _host(parts: SplitResult, default_port: int) -> tuple[str, int]:
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host")
    return parts.hostname, parts.port or default_port


def _path(parts: SplitResult) -> tuple[str | None, int]:
    """Return what the sentinels call the Redis, where there are any, and its database."""
    names = [unquote(name) for name in parts.path.split("/") if name]
    service = names.pop(0) if parts.scheme.endswith("+sentinel") and names else None
    if len(names) > 1 or (parts.scheme.endswith("+sentinel") and service is None):
        raise ValueError("the path does not fit")
    return service, int(names[0]) if names else 0


def _options(given: list[tuple[str, str]], *, is_tls: bool, has_sentinels: bool) -> dict[str, Any]:
    options = {}
    for option, value in given:
        if option not in OPTIONS:
            raise ValueError(
                f"there is no option {option!r} in the address. There are: {', '.join(OPTIONS)}."
            )
        if option.startswith("ssl_") and not is_tls:
            raise ValueError(f"the option {option} is for rediss. Leave it out, or use TLS.")
        if option.startswith("sentinel_") and not has_sentinels:
            raise ValueError(f"the option {option} is for sentinels. Leave it out, or use redis+sentinel.")
        try:
            options[option] = OPTIONS[option](value)
        except ValueError:
            raise ValueError(f"the option {option} cannot be {value!r}. Give a number.") from None
    return options
