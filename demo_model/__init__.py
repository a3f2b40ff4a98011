"""The embedded model: a drawn world with known truth, a small genuine Stable Diffusion trained on it, and its oracle.

`pipeline_path()` is a diffusers directory for plain `StableDiffusionPipeline.from_pretrained`;
`demo_model.oracle.load_oracle()` reads the attributes of a picture; `demo_model.training.train` rebuilds everything.
"""

from pathlib import Path

__all__ = ["oracle_path", "pipeline_path"]


def pipeline_path() -> Path:
    """Return the directory of the shipped diffusers pipeline."""
    return Path(__file__).parent / "pipeline"


def oracle_path() -> Path:
    """Return the shipped weights of the oracle."""
    return Path(__file__).parent / "oracle" / "oracle.safetensors"
