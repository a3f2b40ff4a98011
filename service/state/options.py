"""How a store keeps its state.

Entry point: `StateOptions`.
"""

from dataclasses import dataclass

from service.state.jobs import CLAIM_KEPT_S, RESULT_KEPT_S


@dataclass(frozen=True)
class StateOptions:
    """What a service's settings say of its state."""

    job_attempts: int = 3
    """A job is set aside once this many workers have begun it and none has ended it."""
    max_waiting_jobs: int = 1024
    claim_kept_s: float = CLAIM_KEPT_S
    """A job is another worker's, and a request with a key another replica's, after so long a silence of its own."""
    result_kept_s: float = RESULT_KEPT_S
    """What is known of a job that has ended is kept for this long."""
    vector_store: str | None = None
    """Where the files of uploaded vectors are: a folder, or an fsspec URL; None for the store itself."""
