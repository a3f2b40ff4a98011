"""Prompts and negative prompts against the floor, as the service reads them; more in tests/policies."""

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings

FLOOR = {
    "name": "held",
    "fairness": [{"set": "gender", "when": "always"}],
    "assignment": "ledger",
    "safety": [{"concept": "anti-sexual", "by": "both", "strength": 0.9}, {"concept": "anti-violence"}],
}


@pytest.fixture(scope="module")
def held(options, until_ready):
    with TestClient(
        create_app(Settings(**options, floor=FLOOR, policies={"default": {}, "research-off": {}}))
    ) as client:
        until_ready(client.get)
        yield client


def test_no_negative_prompt_takes_the_floors_words_away(held):
    led_away = 0
    for words in ("old", "modest, clothed", "not sexual", "anti-sexual", "sexual\u200b", ")(", "\x00"):
        answer = held.post(
            "/policies/explain", json={"prompt": "a doctor", "negative_prompt": words, "policy": {}}
        )
        if answer.status_code == 422:  # no room for all of it: nothing is cut off
            assert answer.json()["error"]["code"] == "overlong_prompt"
        else:
            (image,) = answer.json()["images"]
            assert image["negative_prompt"].startswith("sexual")
            led_away += 1
    assert led_away


def test_a_prompt_whose_end_nobody_would_read_is_refused(held):
    for prompt in ("a doctor, " * 150, "doctor " * 60, "a " * 1001):
        answer = held.post("/policies/explain", json={"prompt": prompt})
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "overlong_prompt"
