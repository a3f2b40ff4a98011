"""Answers that are given again by all replicas on one Redis.

Entry point: `RedisAnswers`.
"""

import json

from service.state.answers import (
    ANSWER_KEPT_S,
    RUNNING_KEPT_S,
    Begun,
    Different,
    Fresh,
    Kept,
    Running,
    digest_in,
    new_token,
)
from service.state.redis_client import KEY_PREFIX, RedisClient


class RedisAnswers:
    """An `answers.Answers` in Redis: one hash a request."""

    def __init__(self, client: RedisClient, *, running_kept_s: float = RUNNING_KEPT_S) -> None:
        self._client = client
        self.running_kept_s = running_kept_s
        self._running_kept_ms = round(running_kept_s * 1000)
        self._begin = client.step("answer_begin")
        self._renew = client.step("answer_renew")
        self._keep = client.step("answer_keep")
        self._forget = client.step("answer_forget")

    def begin(self, key: str, digest: str) -> Begun:
        """Return whose the request with this key is.

        Where the answer of this call is lost, nobody's may be begun: it is Running until `running_kept_s` have passed.
        """
        token = new_token(digest)
        kind, *answer = self._begin([_key(key)], [digest, token, self._running_kept_ms])
        match kind:
            case "fresh":
                return Fresh(token)
            case "running":
                return Running(int(answer[0]) / 1000)
            case "different":
                return Different()
        body = self._client.bytes_of("HGET", _key(key), "body")
        if body is None:  # it has just been forgotten
            return self.begin(key, digest)
        status, media_type, headers = answer
        return Kept(int(status), media_type, json.loads(headers), body)

    def renew(self, key: str, token: str) -> None:
        """Keep it the caller's for as long again."""
        self._renew([_key(key)], [digest_in(token), token, self._running_kept_ms])

    def keep(self, key: str, token: str, answer: Kept) -> None:
        """Keep its answer."""
        headers = json.dumps(dict(answer.headers))
        kept_ms = round(ANSWER_KEPT_S * 1000)
        self._keep(
            [_key(key)],
            [digest_in(token), token, kept_ms, answer.status, answer.media_type, headers, answer.body],
        )

    def forget(self, key: str, token: str) -> None:
        """Let the next try be a fresh one."""
        self._forget([_key(key)], [token])


def _key(key: str) -> str:
    return f"{KEY_PREFIX}answer:{key}"
