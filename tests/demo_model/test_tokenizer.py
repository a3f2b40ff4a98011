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


def test_the_shipped_tokenizer_is_this_one(tokenizer: CLIPTokenizer) -> None:
    shipped = CLIPTokenizer.from_pretrained(Path(pipeline_path()) / "tokenizer")
    text = "a photo of a gorgeous policewoman in a park"
    assert shipped(text).input_ids == tokenizer(text).input_ids
    assert shipped.model_max_length == MAX_TOKENS
