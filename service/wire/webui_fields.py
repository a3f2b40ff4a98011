"""What WebUI's clients send beyond what is followed here.

Entry points: `NEUTRAL`, `ignored_in`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

NEUTRAL: Final[Mapping[str, tuple[JsonValue, ...]]] = MappingProxyType(
    {
        "alwayson_scripts": ({},),
        "comments": ({},),
        "denoising_strength": (0, 0.7, 0.75),
        "disable_extra_networks": (False,),
        "distilled_cfg_scale": (3.5,),
        "do_not_save_grid": (False, True),
        "do_not_save_samples": (False, True),
        "enable_hr": (False,),
        "eta": (0,),
        "firstpass_image": (),
        "firstphase_height": (0,),
        "firstphase_width": (0,),
        "force_task_id": ("",),
        "hr_additional_modules": ([],),
        "hr_cfg": (1, 7),
        "hr_checkpoint_name": ("",),
        "hr_distilled_cfg": (3.5,),
        "hr_negative_prompt": ("",),
        "hr_prompt": ("",),
        "hr_resize_x": (0,),
        "hr_resize_y": (0,),
        "hr_sampler_name": ("",),
        "hr_scale": (1, 2),
        "hr_scheduler": ("", "Automatic"),
        "hr_second_pass_steps": (0,),
        "hr_upscaler": ("", "Latent", "None"),
        "include_init_images": (False,),
        "infotext": ("",),
        "override_settings": ({},),
        "override_settings_restore_afterwards": (True, False),
        "refiner_checkpoint": ("", "None"),
        "refiner_switch_at": (0, 0.8, 1),
        "restore_faces": (False,),
        "s_churn": (0,),
        "s_min_uncond": (0,),
        "s_noise": (1,),
        "s_tmax": (0,),
        "s_tmin": (0,),
        "save_images": (False,),
        "scheduler": ("", "Automatic", "automatic"),
        "script_args": ([],),
        "script_name": ("", "None"),
        "seed_resize_from_h": (-1, 0),
        "seed_resize_from_w": (-1, 0),
        "send_images": (True,),
        "styles": ([],),
        "subseed": (-1,),
        "subseed_strength": (0,),
        "tiling": (False,),
    }
)
"""Fields that are accepted and not followed, with the values at which there is nothing to follow, null aside."""


def ignored_in(body: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return which fields of a body ask for something that is not done."""
    return tuple(name for name in body if name in NEUTRAL and not _is_neutral(body[name], NEUTRAL[name]))


def _is_neutral(value: JsonValue, neutral: Iterable[JsonValue]) -> bool:
    return value is None or any(value == one for one in neutral)
