from collections import Counter

from policies.memory_ledger import MemoryLedger, ledger_key

TARGET = {"woman": 0.5, "man": 0.5}


def test_what_is_tried_out_is_not_counted_beneath():
    ledger = MemoryLedger()
    ledger.take("a", TARGET, 1)
    tried = MemoryLedger(ledger)
    assert Counter(tried.take("a", TARGET, 3)) == {"woman": 2, "man": 1}
    assert ledger.served("a") == {"man": 1}


def test_what_is_given_back_beneath_is_owed_on_top():
    ledger = MemoryLedger()
    taken = ledger.take("a", TARGET, 2)
    ledger.give_back("a", taken[:1])
    assert MemoryLedger(ledger).take("a", TARGET, 1) == taken[:1]


def test_it_forgets_what_was_taken_from_longest_ago():
    ledger = MemoryLedger(max_keys=2)
    for key in ("a", "b", "a", "c"):
        ledger.take(key, TARGET, 1)
    assert [sum(ledger.served(key).values()) for key in "abc"] == [2, 0, 1]


def test_keys_differ_in_every_part():
    parts = ("digest", "tenant", "doctor", ["gender"], ["race=black"])
    others = ("other", "other", "other", ["race"], [])
    keys = {ledger_key(*parts)} | {
        ledger_key(*parts[:place], other, *parts[place + 1 :]) for place, other in enumerate(others)
    }
    assert len(keys) == 6
