"""The faults, each done while clients wait.

Entry points: `World`, `PLAIN` and `FAIL_OVER`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.faults.processes import RedisProcess, Replica, Sentinels

BEGIN_TIMEOUT_S = 60


@dataclass(frozen=True)
class World:
    """What faults are done to, and how much of them there is time for."""

    replicas: Sequence[Replica]
    redis: RedisProcess
    sentinels: Sentinels | None
    hold_s: float
    kills: int

    def until_making(self) -> Replica:
        """Wait until a replica has a job in the making, and return it."""
        deadline = time.monotonic() + BEGIN_TIMEOUT_S
        while time.monotonic() < deadline:
            for replica in self.replicas:
                if replica.is_alive and replica.making:
                    return replica
            time.sleep(0.02)
        raise AssertionError("No replica makes a job.")


def kill_replicas(world: World) -> None:
    """Kill replicas in mid-image, one after another, and start each again."""
    for _ in range(world.kills):
        replica = world.until_making()
        time.sleep(0.3)
        replica.kill()
        replica.start()
        replica.until_ready()


def hold_redis(world: World) -> None:
    """Let Redis stand still: connections stay, answers do not come."""
    world.until_making()
    world.redis.hold()
    time.sleep(world.hold_s)
    world.redis.let_go()


def lose_redis(world: World) -> None:
    """Kill Redis and start it again with nothing."""
    world.until_making()
    world.redis.kill()
    world.redis.forget()
    world.redis.start()


def restart_redis(world: World) -> None:
    """Kill Redis and start it again with its append-only file."""
    world.until_making()
    world.redis.kill()
    time.sleep(2)
    world.redis.start()


def fail_over(world: World) -> None:
    """Kill the Redis that is written to; the sentinels have the other take over, and the first follows it."""
    assert world.sentinels is not None, "the case has sentinels"
    world.until_making()
    world.sentinels.first.kill()
    world.sentinels.until_taken_over()
    world.sentinels.first.start()


PLAIN: Mapping[str, Callable[[World], None]] = {
    "replicas killed": kill_replicas,
    "Redis stands still": hold_redis,
    "Redis restarted, append-only file": restart_redis,
    "Redis restarted empty": lose_redis,
}
FAIL_OVER: Mapping[str, Callable[[World], None]] = {"sentinel failover": fail_over}
