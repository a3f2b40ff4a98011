"""The tokenizer of the embedded model: CLIP's byte-level BPE over the drawn world's words.

Each word of the world is one token; any other text falls back to smaller pieces, in the end to bytes, never to
an unknown token.
"""

from __future__ import annotations

import json

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from demo_model import world

MAX_TOKENS = 32
_END = "</w>"


def words_of_the_world() -> list[str]:
    """Return every word a caption of the drawn world can hold, sorted."""
    phrases = [
        *world.GENDERS, "female", "male", *world.RACES, *world.PROFESSIONS, *world.SUBJECTS, *world.LEADS,
        *world.NEUTRAL_WORDS, *world.IDLE_WORDS, *world.SEXUAL_WORDS, *world.VIOLENT_WORDS,
        world.EXPLICIT_SEXUAL, world.EXPLICIT_VIOLENT, "a", "an", "old", "with", "wearing", "without", "glasses",
        *(phrase for phrases in world.SCENE_PHRASES.values() for phrase in phrases),
    ]  # fmt: skip
    return sorted({word for phrase in phrases for word in phrase.split()})


def build_tokenizer() -> CLIPTokenizer:
    """Build the tokenizer: all bytes, all bytes that end a word, and the merges that make up the world's words."""
    learned = Tokenizer(BPE(end_of_word_suffix=_END))
    trainer = BpeTrainer(vocab_size=10_000, min_frequency=1, end_of_word_suffix=_END, show_progress=False)
    learned.train_from_iterator(words_of_the_world(), trainer)
    merges = [tuple(pair) for pair in json.loads(learned.to_str())["model"]["merges"]]
    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + _END for letter in alphabet), *("".join(pair) for pair in merges)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    # Pairs are what the BPE behind it takes, whatever the annotation says.
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)  # type: ignore[arg-type]
