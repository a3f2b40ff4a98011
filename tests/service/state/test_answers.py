"""What every store of answers does."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.state.answers import ANSWER_KEPT_S, Answers, Different, Fresh, Kept, Running
from service.state.memory_answers import MemoryAnswers
from service.state.redis_answers import RedisAnswers

KEPT_S = 0.3
ANSWER = Kept(200, "image/png", {"X-Trimtab": "ü"}, b"\x89PNG\xff\x00")


@pytest.fixture
def answers(store: str, request: pytest.FixtureRequest) -> Iterator[Answers]:
    if store == "memory":
        yield MemoryAnswers(running_kept_s=KEPT_S)
    else:
        yield RedisAnswers(request.getfixturevalue("redis_client"), running_kept_s=KEPT_S)


def begun(answers: Answers, key: str = "key") -> str:
    fresh = answers.begin(key, "digest")
    assert isinstance(fresh, Fresh)
    return fresh.token


def running(answers: Answers, key: str = "key") -> Running:
    again = answers.begin(key, "digest")
    assert isinstance(again, Running)
    return again


def test_the_first_makes_it_and_the_others_get_what_it_made(answers):
    token = begun(answers)
    assert 0 < running(answers).lapses_s <= KEPT_S
    answers.keep("key", token, ANSWER)
    assert answers.begin("key", "digest") == answers.begin("key", "digest") == ANSWER


def test_another_request_with_the_key_is_told_apart_before_and_after(answers):
    token = begun(answers)
    assert answers.begin("key", "other") == Different()
    answers.keep("key", token, ANSWER)
    assert answers.begin("key", "other") == Different()
    assert isinstance(answers.begin("other key", "other"), Fresh)


def test_what_failed_can_be_tried_again(answers):
    answers.forget("key", begun(answers))
    assert isinstance(answers.begin("key", "other"), Fresh)


def test_one_of_many_makes_it(answers):
    with ThreadPoolExecutor(max_workers=8) as pool:
        kinds = list(pool.map(lambda _: type(answers.begin("key", "digest")), range(32)))
    assert kinds.count(Fresh) == 1
    assert kinds.count(Running) == 31


def test_what_is_renewed_stays_the_caller_s(answers):
    token = begun(answers)
    for _ in range(4):
        time.sleep(KEPT_S / 2)
        answers.renew("key", token)
        assert 0 < running(answers).lapses_s <= KEPT_S


def test_who_was_stopped_does_not_speak_for_who_took_over(answers, until):
    late = begun(answers)
    token = until(lambda: getattr(answers.begin("key", "digest"), "token", None))
    answers.renew("key", late)
    answers.forget("key", late)
    answers.keep("key", late, ANSWER)
    assert 0 < running(answers).lapses_s <= KEPT_S
    kept = Kept(201, "text/plain", {}, b"mine")
    answers.keep("key", token, kept)
    answers.keep("key", late, ANSWER)
    answers.forget("key", late)
    assert answers.begin("key", "digest") == kept


def test_what_was_forgotten_meanwhile_is_kept_all_the_same(answers):
    token = begun(answers)
    time.sleep(KEPT_S * 1.2)
    answers.keep("key", token, ANSWER)
    assert answers.begin("key", "digest") == ANSWER


def test_what_was_forgotten_meanwhile_can_be_renewed(answers):
    token = begun(answers)
    time.sleep(KEPT_S * 1.2)
    answers.renew("key", token)
    assert 0 < running(answers).lapses_s <= KEPT_S
    assert answers.begin("key", "other") == Different()


def test_redis_keeps_answers_for_a_day(redis_client, raw):
    answers = RedisAnswers(redis_client)
    token = begun(answers)
    assert 0 < raw.ttl("trimtab:answer:key") <= 30
    answers.keep("key", token, ANSWER)
    assert ANSWER_KEPT_S - 5 < raw.ttl("trimtab:answer:key") <= ANSWER_KEPT_S


def test_memory_keeps_answers_for_a_day():
    now_s = 0.0
    answers = MemoryAnswers(clock=lambda: now_s)
    answers.keep("key", begun(answers), ANSWER)
    now_s = ANSWER_KEPT_S - 1
    assert answers.begin("key", "digest") == ANSWER
    now_s = ANSWER_KEPT_S + 1
    begun(answers)


def test_memory_forgets_the_oldest_answers_where_they_are_too_many():
    answers = MemoryAnswers(max_kept_bytes=2 * len(ANSWER.body))
    for key in ("first", "second", "third"):
        answers.keep(key, begun(answers, key), ANSWER)
    assert isinstance(answers.begin("first", "digest"), Fresh)
    assert answers.begin("second", "digest") == answers.begin("third", "digest") == ANSWER
