"""Encoded prompts, kept while they are likely to come again: all images of a request share theirs.

Entry point: `PromptCache`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from diffusion.encoding import PromptEncoding
from diffusion.model import DiffusionModel


@dataclass(frozen=True)
class Text:
    """A prompt, or a negative one: an empty negative prompt has an encoding of its own in SDXL."""

    prompt: str
    is_negative: bool


class PromptCache:
    """Encodes each text once; the least recently used ones are dropped beyond `size`."""

    def __init__(self, model: DiffusionModel, size: int = 256) -> None:
        self._model, self._size = model, size
        self._encodings: OrderedDict[Text, PromptEncoding] = OrderedDict()

    def encode(self, texts: Sequence[Text]) -> PromptEncoding:
        """Return the encodings of texts, one row each."""
        wanted = dict.fromkeys(texts)
        for is_negative in (False, True):
            self._add(text for text in wanted if text.is_negative is is_negative)
        encoded = PromptEncoding.concat([self._encodings[text] for text in texts])
        for text in wanted:
            self._encodings.move_to_end(text)
        while len(self._encodings) > max(self._size, len(wanted)):
            self._encodings.popitem(last=False)
        return encoded

    def _add(self, texts: Iterable[Text]) -> None:
        """Encode what is new among texts of one kind, all in one pass."""
        new = [text for text in texts if text not in self._encodings]
        if not new:
            return
        encode = self._model.encode_negative if new[0].is_negative else self._model.encode
        encoded = encode([text.prompt for text in new])
        for index, text in enumerate(new):
            self._encodings[text] = encoded[index : index + 1]
