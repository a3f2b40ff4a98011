"""A CLIP model: pictures and texts as points of one space.

Entry point: `ClipEncoder`. Detectors compare its points; its `pictures` also serve as features for distances
between sets of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from detectors.errors import DetectorLoadError, DetectorSettingsError

DEFAULT_CLIP: Final = "openai/clip-vit-base-patch32"


class ClipEncoder:
    """Embeds pictures and texts by a CLIP model, in fp32, so that readings do not depend on the device's dtype."""

    def __init__(
        self,
        name_or_path: str | Path = DEFAULT_CLIP,
        *,
        device: str | torch.device = "auto",
        batch_size: int = 32,
    ) -> None:
        """Load a CLIP model from a folder, or by its name from the Hugging Face Hub.

        `device` "auto" is the accelerator that is there, or the CPU. Pictures are prepared as the model's own
        preprocessor_config.json says, by the Pillow variant of its processor, which needs no torchvision. Raises
        DetectorLoadError where there is no such model, where a part of it is missing or where its weights are
        pickled.
        """
        if batch_size < 1:
            raise DetectorSettingsError(f"No pictures can be read {batch_size} at a time: give 1 or more.")
        self.name = str(name_or_path)
        self._device = _resolve_device(device)
        self._batch_size = batch_size
        try:
            loaded: Any = CLIPModel.from_pretrained(
                self.name, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
            self._processor = CLIPImageProcessorPil.from_pretrained(self.name)
            self._tokenizer = CLIPTokenizer.from_pretrained(self.name)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise DetectorLoadError(
                f"No CLIP model {self.name}: give a folder with config.json, model.safetensors, "
                "preprocessor_config.json and a tokenizer, or a name on the Hugging Face Hub that can be reached "
                f"from here (pickled weights can run code and are refused). {error}"
            ) from error
        model, report = loaded
        if lacking := report["missing_keys"]:
            raise DetectorLoadError(
                f"{self.name} is not a whole CLIP model: its file lacks {len(lacking)} of the weights, such as "
                f"{min(lacking)}. Give a model saved by transformers' CLIPModel."
            )
        self._token_limit: int = model.config.text_config.max_position_embeddings
        self._model: CLIPModel = model.to(self._device).eval().requires_grad_(False)

    @property
    def dimension(self) -> int:
        """The number of coordinates of the space."""
        return self._model.visual_projection.out_features

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Return the embeddings of pictures of any size, [pictures, dimension] in fp32 on the CPU, not normalised."""
        embedded = [torch.empty(0, self.dimension)]
        for start in range(0, len(pictures), self._batch_size):
            batch = list(pictures[start : start + self._batch_size])
            pixels = self._processor(images=batch, return_tensors="pt")["pixel_values"]
            embedded.append(self._model.get_image_features(pixels.to(self._device)).pooler_output.cpu())
        return torch.cat(embedded)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of texts, [texts, dimension] in fp32 on the CPU, not normalised.

        What is longer than the model reads, mostly 77 tokens, is cut off there, as published CLIP scores do.
        """
        embedded = [torch.empty(0, self.dimension)]
        for start in range(0, len(texts), self._batch_size):
            batch = list(texts[start : start + self._batch_size])
            tokens = self._tokenizer(
                batch, padding=True, truncation=True, max_length=self._token_limit, return_tensors="pt"
            ).to(self._device)
            features = self._model.get_text_features(tokens["input_ids"], tokens["attention_mask"])
            embedded.append(features.pooler_output.cpu())
        return torch.cat(embedded)


def _resolve_device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise DetectorSettingsError(
            f"No device {str(device)!r}: use auto, cpu, cuda, cuda:1 or mps."
        ) from error
