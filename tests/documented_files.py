"""Whether a YAML file of the documentation is what its name says, by what reads such files.

Entry point: `check_yaml`.
"""

from collections.abc import Callable
from pathlib import Path

import yaml

from learn_vectors.concepts_file import read_concepts
from policies.files import read_policy
from policies.prompt_reading.lexicon import load_lexicon
from policies.responsible_phrases import load_phrases
from service.settings import load_settings


def _settings(file: Path) -> None:
    load_settings({"config": file})


def _manifest(file: Path) -> None:
    for one in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        assert one["apiVersion"]
        assert one["kind"]
        assert one["metadata"]["name"]
        assert one["spec"]


READERS: dict[str, Callable[[Path], object]] = {
    "trimtab.yaml": _settings,
    "people.yaml": read_policy,
    "words.yaml": load_lexicon,
    "phrases.yaml": load_phrases,
    "concepts.yaml": read_concepts,
    "network-policy.yaml": _manifest,
}


def check_yaml(file: Path) -> None:
    """Read it as the file of its name is read. Raises that reader's errors; an unknown name is an assertion's."""
    assert file.name in READERS, f"{file.name}: give the block the title of one of {', '.join(READERS)}."
    READERS[file.name](file)
