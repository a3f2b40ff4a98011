"""The root of the service's errors, and what each of them says.

Entry point: `ServiceError`. `service.http_errors` answers it: a message, the field, its value and the cure.
"""


class ServiceError(Exception):
    """The root of the service's errors: what is wrong, in which field, with which value, and the cure.

    Its text is the problem and the cure, for logs and terminals; who answers a client has them apart.
    """

    problem: str
    """A sentence that says what is wrong, with the value where it is short."""
    cure: str
    """A sentence that says what to do about it."""
    value: object
    """What was given, as it was given; None where nothing was, or where it is nobody's to repeat."""
    field: str | None
    """Where it stands, by the service's own name; None where it stands nowhere."""

    def __init__(self, problem: str, *, cure: str, value: object = None, field: str | None = None) -> None:
        super().__init__(f"{problem} {cure}")
        self.problem = problem
        self.cure = cure
        self.value = value
        self.field = field
