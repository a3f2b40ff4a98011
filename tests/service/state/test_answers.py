"""What every store of answers does."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.state.answers import ANSWER_KEPT_S, RUNNING_KEPT_S, Answers, Different, Fresh, Kept, Running
from service.state.memory_answers import MemoryAnswers
from service.state.redis_answers import RedisAnswers

KEPT_S = 0.8
ANSWER = Kept(200, "image/png", {"X-Trimtab": "ü"}, b"\x89PNG\xff\x00")


@pytest.fixture
def answers(store: str, request: pytest.FixtureRequest) -> Answers:
    """Nothing lapses during a test."""
    return MemoryAnswers() if store == "memory" else RedisAnswers(request.getfixturevalue("redis_client"))


@pytest.fixture
def lapsing(store: str, request: pytest.FixtureRequest) -> Answers:
    """What runs lapses in a moment."""
    if store == "memory":
        return MemoryAnswers(running_kept_s=KEPT_S)
    return RedisAnswers(request.getfixturevalue("redis_client"), running_kept_s=KEPT_S)


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
    assert 0 < running(answers).lapses_s <= RUNNING_KEPT_S
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


def test_what_is_renewed_stays_the_caller_s(lapsing):
    token = begun(lapsing)
    for _ in range(4):
        time.sleep(KEPT_S / 3)
        lapsing.renew("key", token)
        assert 0 < running(lapsing).lapses_s <= KEPT_S


def test_who_was_stopped_does_not_speak_for_who_took_over(lapsing, until):
    late = begun(lapsing)
    token = until(lambda: getattr(lapsing.begin("key", "digest"), "token", None))
    lapsing.renew("key", late)
    lapsing.forget("key", late)
    lapsing.keep("key", late, ANSWER)
    assert 0 < running(lapsing).lapses_s <= KEPT_S
    kept = Kept(201, "text/plain", {}, b"mine")
    lapsing.keep("key", token, kept)
    lapsing.keep("key", late, ANSWER)
    lapsing.forget("key", late)
    assert lapsing.begin("key", "digest") == kept


def test_what_was_forgotten_meanwhile_is_kept_all_the_same(lapsing):
    token = begun(lapsing)
    time.sleep(KEPT_S * 1.2)
    lapsing.keep("key", token, ANSWER)
    assert lapsing.begin("key", "digest") == ANSWER


def test_what_was_forgotten_meanwhile_can_be_renewed(lapsing):
    token = begun(lapsing)
    time.sleep(KEPT_S * 1.2)
    lapsing.renew("key", token)
    assert 0 < running(lapsing).lapses_s <= KEPT_S
    assert lapsing.begin("key", "other") == Different()


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
