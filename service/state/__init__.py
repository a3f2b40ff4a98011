"""What replicas share: in this process alone by default, in Redis where TRIMTAB_REDIS_URL names one.

Entry points: `shared.SharedState` (the interface) and `shared.open_state`. Only `redis` imports the Redis client.
"""
