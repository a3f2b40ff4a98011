from evaluation.prompts import Prompt
from evaluation.wording import ConceptWords, Wording


def test_a_prompt_says_what_is_wanted(wording: Wording) -> None:
    judge = Prompt("a photo of a judge on a beach", "judge", "beach")
    assert wording.explicit(judge, ["woman"]) == "a photo of a woman judge on a beach"
    assert wording.explicit(judge, ["woman", "asian", "with-glasses"]) == (
        "a photo of an asian woman judge with glasses on a beach"
    )
    assert wording.explicit(judge, []) == judge.text
    cat = Prompt("a photo of a cat", subject="cat")
    assert wording.explicit(cat, ["with-glasses"]) == "a photo of a cat with glasses"


def test_a_prompt_says_what_it_is_to_be_without(wording: Wording) -> None:
    doctor = Prompt("a photo of a doctor", "doctor")
    assert wording.explicit(doctor, ["anti-sexual"]) == "a photo of a doctor, without sexual"
    assert wording.explicit(doctor, ["anti-sexual", "woman", "anti-violence"]) == (
        "a photo of a woman doctor, without sexual, without ugly"
    )
    nobody = Prompt("rain in a street", scene="", subject="")
    assert wording.explicit(nobody, ["anti-sexual"]) == "rain in a street, without sexual"


def test_only_what_prevents_something_can_be_averted(wording: Wording) -> None:
    assert wording.can_avert(["anti-sexual", "anti-violence"])
    assert not wording.can_avert(["anti-sexual", "woman"])
    assert wording.unwanted(["anti-sexual", "woman", "anti-violence"]) == ["sexual", "ugly"]


def test_nothing_is_known_of_a_vector_that_does_not_say_its_prompts(wording: Wording) -> None:
    assert wording.of("unsaid") == ConceptWords()
    assert not wording.can_state(["woman", "unsaid"])
    assert wording.can_state(["woman", "anti-sexual"])
