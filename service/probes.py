"""The addresses that monitors ask: answered by any name, and on connections that are too many.

Entry point: `PROBES`.
"""

from typing import Final

PROBES: Final = frozenset({"/startupz", "/healthz", "/readyz", "/metrics"})
"""Who asks here must not take a busy process, or one that is reached by its address, for a dead one."""
