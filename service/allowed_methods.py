"""What an address can be asked by, for the Allow header of a 405: Starlette names the methods of one of its routes.

Entry point: `allowed_methods`.
"""

from collections.abc import Iterable
from http import HTTPMethod

from starlette.routing import BaseRoute, Match
from starlette.types import Scope


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """Return the methods of all routes at the address of a request, as the header has them."""
    there = tuple(routes)
    return ", ".join(
        method
        for method in sorted(HTTPMethod)
        if any(route.matches({**scope, "method": method.value})[0] == Match.FULL for route in there)
    )
