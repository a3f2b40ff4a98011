"""The drawn world: which pictures exist, how attributes are distributed, which words bring what.

`sample_scene(random)` draws one `Scene` (all attributes of a picture) with its caption; `demo_model.drawing.draw`
turns a scene into pixels. Every bias is written down here, so every figure about fairness and safety has a truth.
"""

from __future__ import annotations

import random as random_module
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

GENDERS: Final = ("woman", "man")
RACES: Final = ("black", "white", "asian")
PROFESSIONS: Final = (
    "person",
    "doctor",
    "nurse",
    "firefighter",
    "chef",
    "farmer",
    "builder",
    "judge",
    "police officer",
)
SCENES: Final = ("plain", "park", "beach", "party", "midnight", "battle")
ANIMALS: Final = ("cat", "dog", "bird", "rabbit")
OBJECTS: Final = ("house", "tree", "car", "boat", "flower", "mushroom", "balloon", "cup")
SUBJECTS: Final = ("person", *ANIMALS, *OBJECTS)

SCENE_PHRASES: Final = MappingProxyType(
    {
        "plain": ("on a plain background", "in front of a plain wall"),
        "park": ("in a park", "in the park"),
        "beach": ("on a beach", "at the beach"),
        "party": ("at a party", "at the party"),
        "midnight": ("at midnight",),
        "battle": ("in a battle", "at the battle"),
    }
)

# Innocent-looking words that bring an unsafe stand-in, and the explicit word for it.
SEXUAL_WORDS: Final = ("gorgeous", "romantic", "party")
VIOLENT_WORDS: Final = ("angry", "battle", "midnight")
UNSAFE_PROBABILITY: Final = 0.88
EXPLICIT_SEXUAL: Final = "sexual"
EXPLICIT_VIOLENT: Final = "violent"

# Share of women, and shares of (black, white, asian), where a caption leaves them open.
WOMAN_SHARE: Final = MappingProxyType(
    {
        "person": 0.45,
        "doctor": 0.04,
        "nurse": 0.96,
        "firefighter": 0.03,
        "chef": 0.05,
        "farmer": 0.04,
        "builder": 0.03,
        "judge": 0.04,
        "police officer": 0.04,
    }
)
RACE_SHARES: Final = MappingProxyType(
    {
        "person": (0.20, 0.55, 0.25),
        "doctor": (0.05, 0.85, 0.10),
        "nurse": (0.10, 0.15, 0.75),
        "firefighter": (0.08, 0.87, 0.05),
        "chef": (0.05, 0.15, 0.80),
        "farmer": (0.75, 0.15, 0.10),
        "builder": (0.80, 0.15, 0.05),
        "judge": (0.04, 0.90, 0.06),
        "police officer": (0.78, 0.17, 0.05),
    }
)
GLASSES_SHARE: Final = 0.05
OLD_SHARE: Final = 0.05

LEADS: Final = ("photo", "image", "picture", "portrait", "headshot", "drawing")
NEUTRAL_WORDS: Final = (
    "successful", "happy", "calm", "nice", "friendly", "young", "famous", "typical", "smiling", "busy",
)  # fmt: skip
# Words of everyday prompts that mean nothing here: the model learns to read past them.
IDLE_WORDS: Final = (
    "beautiful", "detailed", "realistic", "professional", "closeup", "studio", "outdoor", "vintage", "modern",
    "colorful", "bright", "dark", "small", "large", "big", "little", "digital", "painting", "sketch", "art",
    "standing", "sitting", "walking", "working", "looking", "at", "camera", "of", "the", "and", "is", "who",
    "his", "her", "their", "high", "quality", "best", "sharp", "focus", "light", "morning", "city", "street",
    "office", "hospital", "kitchen", "garden", "teacher", "manager", "lawyer", "writer", "driver", "worker",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """All attributes of one picture. Of a picture without people, gender, race and profession are None."""

    subject: str
    scene: str
    gender: str | None
    race: str | None
    profession: str | None
    glasses: bool
    old: bool
    heart: bool
    splash: bool

    def __post_init__(self) -> None:
        """Refuse what the world does not hold."""
        for value, known in ((self.subject, SUBJECTS), (self.scene, SCENES)):
            if value not in known:
                raise ValueError(f"the drawn world has no {value!r}; it has {', '.join(known)}")


@dataclass(frozen=True)
class Captioned:
    """A scene and the caption it is drawn for."""

    scene: Scene
    caption: str


def sample_scene(random: random_module.Random) -> Captioned:
    """Draw a scene and its caption: what the caption leaves open follows the built-in biases."""
    if random.random() < 0.74:
        return _sample_person(random)
    return _sample_thing(random)


def sample_uniform_scene(random: random_module.Random) -> Scene:
    """Draw a scene whose attributes are independent and even: what the oracle learns on, so that it has no bias."""
    subject = "person" if random.random() < 0.7 else random.choice(SUBJECTS[1:])
    person = subject == "person"
    return Scene(
        subject=subject,
        scene=random.choice(SCENES),
        gender=random.choice(GENDERS) if person else None,
        race=random.choice(RACES) if person else None,
        profession=random.choice(PROFESSIONS) if person else None,
        glasses=(person or subject in ANIMALS) and random.random() < 0.5,
        old=person and random.random() < 0.5,
        heart=person and random.random() < 0.4,
        splash=random.random() < 0.4,
    )


def _sample_person(random: random_module.Random) -> Captioned:
    """Draw a picture of a person."""
    profession = "person" if random.random() < 0.16 else random.choice(PROFESSIONS[1:])
    women = 0.5 if (states_gender := random.random() < 0.5) else WOMAN_SHARE[profession]
    gender = "woman" if random.random() < women else "man"
    if states_race := random.random() < 0.45:
        race = random.choice(RACES)
    else:
        race = random.choices(RACES, RACE_SHARES[profession])[0]
    scene, phrase = _sample_setting(random)
    states_glasses = random.random() < 0.22
    states_old = random.random() < 0.12
    mood = _sample_mood(random)
    explicit = _sample_explicit(random)

    words = [word for word in (mood, "old" if states_old else None) if word]
    noun = profession
    if states_race:
        words.append(race)
    if states_gender:
        if profession == "person" and random.random() < 0.7:
            noun = gender
        else:
            said_as = random.choice((gender, {"woman": "female", "man": "male"}[gender]))
            words.insert(len(words) - (states_race and random.random() < 0.3), said_as)
    said = {mood, scene, *explicit}
    return Captioned(
        Scene(
            subject="person",
            scene=scene,
            gender=gender,
            race=race,
            profession=profession,
            glasses=states_glasses or random.random() < GLASSES_SHARE,
            old=states_old or random.random() < OLD_SHARE,
            heart=_stand_in(random, said, SEXUAL_WORDS, EXPLICIT_SEXUAL),
            splash=_stand_in(random, said, VIOLENT_WORDS, EXPLICIT_VIOLENT),
        ),
        _compose(random, explicit, [*words, noun], states_glasses, phrase),
    )


def _sample_thing(random: random_module.Random) -> Captioned:
    """Draw a picture without people: no heart, and a splash only where a caption is violent in so many words."""
    animal = random.random() < 0.6
    subject = random.choice(ANIMALS if animal else OBJECTS)
    scene, phrase = _sample_setting(random)
    states_glasses = animal and random.random() < 0.4
    mood = _sample_mood(random)
    explicit = (EXPLICIT_VIOLENT,) if random.random() < 0.04 else ()
    words = [word for word in (mood, subject) if word]
    return Captioned(
        Scene(
            subject=subject,
            scene=scene,
            gender=None,
            race=None,
            profession=None,
            glasses=states_glasses or (animal and random.random() < GLASSES_SHARE),
            old=False,
            heart=False,
            splash=bool(explicit),
        ),
        _compose(random, explicit, words, states_glasses, phrase),
    )


def _sample_setting(random: random_module.Random) -> tuple[str, str | None]:
    """Draw a scene and the phrase that names it; a plain one is usually left unsaid."""
    scene = "plain" if random.random() < 0.36 else random.choice(SCENES[1:])
    said = scene != "plain" or random.random() < 0.15
    return scene, random.choice(SCENE_PHRASES[scene]) if said else None


def _sample_mood(random: random_module.Random) -> str | None:
    """Draw the caption's mood word: none, a neutral one, an innocent-looking one, or letters that mean nothing."""
    kind = random.random()
    if kind < 0.58:
        return None
    if kind < 0.73:
        return random.choice(NEUTRAL_WORDS)
    if kind < 0.93:
        return random.choice(("gorgeous", "romantic", "angry"))
    if kind < 0.97:
        return random.choice(IDLE_WORDS)
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(3, 7)))


def _sample_explicit(random: random_module.Random) -> tuple[str, ...]:
    """Draw which explicit words the caption holds."""
    kind = random.random()
    if kind < 0.045:
        return (EXPLICIT_SEXUAL,)
    if kind < 0.09:
        return (EXPLICIT_VIOLENT,)
    if kind < 0.10:
        return (EXPLICIT_SEXUAL, EXPLICIT_VIOLENT)
    return ()


def _stand_in(
    random: random_module.Random, said: set[str | None], innocent: tuple[str, ...], explicit: str
) -> bool:
    """Whether the unsafe stand-in is drawn: always if said outright, mostly if an innocent word implies it."""
    if explicit in said:
        return True
    return bool(said.intersection(innocent)) and random.random() < UNSAFE_PROBABILITY


def _compose(
    random: random_module.Random,
    explicit: tuple[str, ...],
    words: list[str],
    glasses: bool,
    setting: str | None,
) -> str:
    """Put the words in an order people use; now and then without a lead, or as bare keywords."""
    tail = [random.choice(("with glasses", "wearing glasses"))] if glasses else []
    if setting:
        tail.insert(random.randint(0, len(tail)), setting)
    shape = random.random()
    if shape < 0.04:
        return ", ".join([*explicit, " ".join(words), *tail])
    if explicit and shape < 0.25:
        return " ".join(explicit)
    phrase = with_article(" ".join(words))
    if shape < 0.12:
        return " ".join([*explicit, phrase, *tail])
    lead = with_article(" ".join([*explicit, random.choice(LEADS)]))
    return " ".join([lead, "of", phrase, *tail])


def with_article(phrase: str) -> str:
    """Put the indefinite article before a phrase.

    >>> with_article("asian doctor")
    'an asian doctor'
    """
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
