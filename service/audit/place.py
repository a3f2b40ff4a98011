"""Where a service's audit log is, and what its chain is called.

Entry points: `log_path`, `replica_of`, `REDIS`, `REPLICA`.
"""

import re
import socket
from pathlib import Path
from typing import Final

from service.settings import AUDIT_IN_REDIS, Settings

REDIS: Final = AUDIT_IN_REDIS
REPLICA: Final = "{replica}"
"""Stands for the replica's name in a path that several replicas are configured with."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")


def replica_of(settings: Settings) -> str:
    """Return the name of this process's chain: the configured one, or the machine's."""
    return settings.audit_replica or _NO_NAME.sub("-", socket.gethostname())[:100]


def log_path(configured: str, replica: str) -> Path:
    """Return the file that a replica writes."""
    return Path(configured.replace(REPLICA, replica))
