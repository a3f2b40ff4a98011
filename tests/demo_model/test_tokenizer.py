from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from demo_model import pipeline_path
from demo_model.tokenizer import MAX_TOKENS, build_tokenizer, words_of_the_world


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return build_tokenizer()


def test_each_word_of_the_world_is_one_token(tokenizer: CLIPTokenizer) -> None:
    for word in words_of_the_world():
        assert len(tokenizer(word).input_ids) == 3, word


@pytest.mark.parametrize("text", ["a policewoman", "naïve café", "北京 🙂", "x" * 20, "DOCTOR!!"])
def test_any_other_text_is_spelled_and_comes_back(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text).input_ids
    assert tokenizer.eos_token_id not in ids[:-1], "nothing is unknown"
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.lower().replace(" ", "")


def test_it_is_built_alike_every_time(tokenizer: CLIPTokenizer) -> None:
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_the_shipped_tokenizer_knows_the_world_and_spells_the_rest() -> None:
    shipped = CLIPTokenizer.from_pretrained(Path(pipeline_path()) / "tokenizer")
    assert all(len(shipped(word).input_ids) == 3 for word in words_of_the_world())
    assert shipped.decode(shipped("a policewoman").input_ids, skip_special_tokens=True) == "a policewoman"
    assert shipped.model_max_length == MAX_TOKENS
