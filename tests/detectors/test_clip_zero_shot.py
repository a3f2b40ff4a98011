import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from detectors import ClipEncoder, ClipZeroShot, Detector, DetectorSettingsError
from detectors.clip_zero_shot import PEOPLE


def test_it_reads_what_transformers_own_classifier_says(clip, clip_folder, pictures):
    model = CLIPModel.from_pretrained(clip_folder)
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(clip_folder), CLIPTokenizer.from_pretrained(clip_folder)
    )
    detector: Detector = ClipZeroShot(clip)
    readings = detector.read(pictures)
    assert detector.attributes == {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
    for attribute, texts in PEOPLE.items():
        inputs = processor(text=list(texts.values()), images=pictures, return_tensors="pt", padding=True)
        with torch.no_grad():
            closest = model(**inputs).logits_per_image.argmax(dim=1)
        assert [reading[attribute] for reading in readings] == [list(texts)[index] for index in closest]


def test_each_picture_has_the_value_whose_text_lies_closest(clip, pictures):
    """Texts that lie where the pictures do are found again."""
    detector = ClipZeroShot(
        _Told(clip, pictures), {"kind": {str(number): str(number) for number in range(5)}}
    )
    assert [reading["kind"] for reading in detector.read(pictures)] == list("01234")
    assert [reading["kind"] for reading in detector.read(pictures[::-1])] == list("43210")
    assert detector.read([]) == []


def test_texts_are_embedded_once(clip, pictures):
    told = _Told(clip, pictures)
    detector = ClipZeroShot(told, {"kind": {"a": "0", "b": "1"}})
    detector.read(pictures)
    detector.read(pictures)
    assert told.texts_embedded == ["0", "1"]


@pytest.mark.parametrize(
    "texts",
    [{}, {"woman": "a woman"}, {"woman": "a person", "man": "a person"}, {"woman": "a woman", "man": ""}],
)
def test_texts_that_tell_nothing_apart_are_refused(clip, texts):
    with pytest.raises(DetectorSettingsError, match="'gender' cannot be told by the texts"):
        ClipZeroShot(clip, {"gender": texts})


class _Told(ClipEncoder):
    """Embeds the text "2" where the third picture lies, and keeps the texts it was given."""

    def __init__(self, clip: ClipEncoder, pictures: list[Image.Image]) -> None:
        self.name = "told"
        self._clip = clip
        self._places = clip.pictures(pictures)
        self.texts_embedded: list[str] = []

    def texts(self, texts):
        self.texts_embedded += texts
        return self._places[[int(text) for text in texts]]

    def pictures(self, pictures):
        return self._clip.pictures(pictures)
