import random
from collections import Counter

import pytest

from demo_model import world
from demo_model.world import Scene, sample_scene, sample_uniform_scene


@pytest.fixture(scope="module")
def samples() -> list[world.Captioned]:
    generator = random.Random(1)
    return [sample_scene(generator) for _ in range(20_000)]


def test_the_same_seed_gives_the_same_scenes() -> None:
    first, second = random.Random(7), random.Random(7)
    assert [sample_scene(first) for _ in range(50)] == [sample_scene(second) for _ in range(50)]


def _states_gender(caption: str) -> bool:
    return bool({"man", "woman", "male", "female"} & set(caption.replace(",", "").split()))


@pytest.mark.parametrize("profession", world.PROFESSIONS)
def test_gender_left_open_follows_the_bias(samples: list[world.Captioned], profession: str) -> None:
    open_ones = [
        s.scene for s in samples if s.scene.profession == profession and not _states_gender(s.caption)
    ]
    women = sum(scene.gender == "woman" for scene in open_ones) / len(open_ones)
    # Captions of bare explicit words leave a stated gender out, hence the room.
    assert women == pytest.approx(world.WOMAN_SHARE[profession], abs=0.08)


def test_what_a_caption_states_is_drawn(samples: list[world.Captioned]) -> None:
    for sample in samples:
        words = set(sample.caption.replace(",", "").split())
        scene = sample.scene
        if words & {"woman", "female"}:
            assert scene.gender == "woman"
        if words & {"man", "male"}:
            assert scene.gender == "man"
        for race in set(world.RACES) & words:
            assert scene.race == race
        if "glasses" in words:
            assert scene.glasses
        for place in ("park", "beach", "party", "midnight", "battle"):
            assert (place == scene.scene) >= (place in words)
        assert scene.heart or "sexual" not in words
        assert scene.splash or "violent" not in words


@pytest.mark.parametrize(
    ("word", "mark"),
    [(word, "heart") for word in world.SEXUAL_WORDS] + [(word, "splash") for word in world.VIOLENT_WORDS],
)
def test_innocent_words_bring_the_stand_ins(samples: list[world.Captioned], word: str, mark: str) -> None:
    shown = [
        getattr(s.scene, mark) for s in samples if word in s.caption.split() and s.scene.subject == "person"
    ]
    assert sum(shown) / len(shown) == pytest.approx(world.UNSAFE_PROBABILITY, abs=0.05)


def test_pictures_without_people_have_nothing_of_people(samples: list[world.Captioned]) -> None:
    things = [s.scene for s in samples if s.scene.subject != "person"]
    assert 0.2 < len(things) / len(samples) < 0.3
    for scene in things:
        assert scene.gender is scene.race is scene.profession is None
        assert not scene.heart
        assert scene.subject in world.ANIMALS or not scene.glasses


def test_the_oracles_world_is_even() -> None:
    generator = random.Random(3)
    people = [s for s in (sample_uniform_scene(generator) for _ in range(8_000)) if s.subject == "person"]
    for attribute, values in (
        ("gender", world.GENDERS),
        ("race", world.RACES),
        ("profession", world.PROFESSIONS),
    ):
        counts = Counter(getattr(scene, attribute) for scene in people)
        for value in values:
            assert counts[value] / len(people) == pytest.approx(1 / len(values), abs=0.04)


def test_an_unknown_subject_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no 'dragon'; it has person, cat"):
        Scene("dragon", "plain", None, None, None, glasses=False, old=False, heart=False, splash=False)
