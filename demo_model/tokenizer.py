"""The tokenizer of the embedded model: CLIP's byte-level BPE over the drawn world's words.

Each word of the world is one token; any other text falls back to smaller pieces, in the end to bytes, never to
an unknown token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
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
    merges = _learn_merges(words_of_the_world())
    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + _END for letter in alphabet), *("".join(pair) for pair in merges)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    # Pairs are what the BPE behind it takes, whatever the annotation says.
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)  # type: ignore[arg-type]


def _learn_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merge the commonest pair, the first in the alphabet among equals, until each word is one piece.

    The tokenizers library learns the same but breaks ties at random: its token numbers differ from run to run,
    and with them everything that is trained on them.
    """
    spelled = [(*word[:-1], word[-1] + _END) for word in words]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for pieces in spelled for pair in pairwise(pieces)):
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        spelled = [_merged(pieces, merges[-1]) for pieces in spelled]
    return merges


def _merged(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Put every occurrence of a pair together, from the left."""
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)
