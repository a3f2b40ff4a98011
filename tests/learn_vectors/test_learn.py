import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sample_concepts import ANTI_UGLY, PERSON, WOMAN

from diffusion import DiffusionModel, SiteError
from diffusion.activation import site_scale
from diffusion.site import prompt_reader
from diffusion.steering import added_at_site
from learn_vectors import (
    Concept,
    DivergedError,
    LearnOptions,
    OptionsError,
    PaperRecipe,
    TrajectoryRecipe,
    learn_vectors,
)
from learn_vectors.checkpoint import EVERY_STEPS, Checkpoint
from learn_vectors.learn import prompts_of
from learn_vectors.predictions import Predictor
from vectors import ConceptVector

Make = Callable[..., LearnOptions]
QUICK = TrajectoryRecipe(steps=3, batch=2, inference_steps=4)
PAPER = PaperRecipe(steps=3, images=3, batch=2, inference_steps=2)


def learned(model: DiffusionModel, options: LearnOptions) -> ConceptVector:
    (vector,) = learn_vectors(model, options)
    return vector


def weights(model: DiffusionModel) -> list[torch.Tensor]:
    return [value.clone() for value in model.pipe.unet.state_dict().values()]


@pytest.mark.parametrize("recipe", [QUICK, PAPER])
def test_every_recipe_learns_on_every_kind_of_model(
    model: DiffusionModel, options: Make, recipe: TrajectoryRecipe | PaperRecipe
) -> None:
    before = weights(model)
    first = learned(model, options(recipe=recipe))
    assert first.digest == learned(model, options(recipe=recipe)).digest, "the same seed, the same vector"
    assert first.digest != learned(model, options(recipe=recipe, seed=1)).digest
    assert first.norm > 0
    assert first.shape == model.site_shape(*model.default_size)
    assert first.base_model == model.fingerprint
    assert first.prompts.positive == ("a photo of a woman",)
    assert all(torch.equal(old, new) for old, new in zip(before, weights(model), strict=True)), (
        "the model is frozen"
    )
    assert not model.pipe.unet.mid_block._forward_hooks, "no hook is left behind"


def test_a_vector_says_what_it_was_learned_with_and_where_it_is_applied(
    sd1: DiffusionModel, options: Make
) -> None:
    vector = learned(sd1, options(recipe=PAPER, things=("lamp",)))
    assert vector.timesteps == (0, 1000), "to the end, or the prompt brings back what it prevents"
    assert vector.training["things"] == ["lamp"]
    shares = [
        one.training["recipe"]["steered_share"]
        for one in learn_vectors(sd1, options(concepts=(WOMAN, ANTI_UGLY)))
    ]
    assert shares == [0.7, 1.0]
    assert learned(sd1, options(apply_timesteps=(300, 900))).timesteps == (300, 900)


def test_all_prompts_are_known_before_work_begins(
    sd1: DiffusionModel, options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()
    predict = Predictor._predict

    def recorded(self: Predictor, latents: object, timesteps: object, prompts: list[str]) -> object:
        used.update(prompts)
        return predict(self, latents, timesteps, prompts)

    monkeypatch.setattr(Predictor, "_predict", recorded)
    recipe = replace(QUICK, steps=12, batch=1)
    few = options(concepts=(ANTI_UGLY,), contexts=("person", "doctor", "nurse"), recipe=recipe)
    known = prompts_of(sd1, few)
    learn_vectors(sd1, few)
    # What is drawn for a last trajectory, which may not begin, is known too.
    assert used - {""} <= set(known)
    assert len(set(known) - used) <= 4
    assert prompts_of(sd1, options(recipe=PAPER)) == ("a photo of a woman", "a photo of a person")
    anti = options(concepts=(ANTI_UGLY,), recipe=PAPER)
    assert prompts_of(sd1, anti) == (*ANTI_UGLY.positive, "ugly")


def test_only_what_vectors_are_added_to_is_predicted_with_them(
    sd1: DiffusionModel, options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_vectors: list[list[int]] = []
    predict = Predictor._predict

    def recorded(self: Predictor, latents: object, timesteps: torch.Tensor, prompts: object) -> object:
        if torch.is_grad_enabled():
            with_vectors.append(timesteps.tolist())
        return predict(self, latents, timesteps, prompts)

    monkeypatch.setattr(Predictor, "_predict", recorded)
    recipe = replace(QUICK, batch=8, steps=8)
    learn_vectors(sd1, options(concepts=(ANTI_UGLY,), recipe=recipe, apply_timesteps=(0, 500)))
    assert with_vectors[0] == [751, 751], "one row's two halves while all are at the first step"
    assert {timestep for timesteps in with_vectors[4:] for timestep in timesteps} == {251}


def losses_of(model: DiffusionModel, options: LearnOptions) -> list[float]:
    losses: list[float] = []

    def record(phase: str, done: int, total: int, loss: float | None) -> None:
        if loss is not None:
            losses.append(loss)

    learn_vectors(model, options, record)
    return losses


@pytest.mark.parametrize("halves", ["conditional", "unconditional", "both", "each"])
def test_trajectory_matching_finds_a_vector_that_explains_the_target(
    sd1: DiffusionModel, options: Make, halves: str
) -> None:
    recipe = TrajectoryRecipe(steps=60, batch=4, inference_steps=4)
    losses = losses_of(sd1, options(concepts=(replace(WOMAN, halves=halves),), recipe=recipe))
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_the_paper_recipe_lowers_the_denoising_error_of_its_images(
    sd1: DiffusionModel, options: Make
) -> None:
    losses = losses_of(
        sd1, options(recipe=PaperRecipe(steps=60, images=4, batch=4, inference_steps=2, learning_rate=0.05))
    )
    assert sum(losses[-15:]) < sum(losses[:15])


def test_an_anti_concept_matches_the_pushed_prediction(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=6, batch=4, inference_steps=4, push=2.0)
    anti = options(concepts=(ANTI_UGLY,), recipe=recipe)
    pushed = learned(sd1, anti)
    assert pushed.concept == "anti-ugly"
    assert pushed.prompts.negative_prompt == ("ugly",)
    unpushed = losses_of(sd1, replace(anti, recipe=replace(recipe, push=1e-6)))
    assert unpushed[0] < 0.1 * losses_of(sd1, anti)[0], "without a push there is nothing to learn"


ANTI_LOUD = Concept(("a wild person",), negative_prompt="loud")


def test_anti_concepts_are_learned_together_and_the_others_alone(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=6, batch=4, inference_steps=4)
    concepts = (ANTI_UGLY, WOMAN, ANTI_LOUD)
    ugly, woman, loud = learn_vectors(sd1, options(concepts=concepts, recipe=recipe))
    assert [one.concept for one in (ugly, woman, loud)] == ["anti-ugly", "woman", "anti-loud"]
    assert woman.digest == learned(sd1, options(recipe=recipe)).digest
    assert ugly.digest != learned(sd1, options(concepts=(ANTI_UGLY,), recipe=recipe)).digest
    assert [one.training.get("learned_with") for one in (ugly, woman, loud)] == [
        ["anti-loud"],
        None,
        ["anti-ugly"],
    ]


def test_anti_concepts_share_the_steps_that_all_of_them_have(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=3, batch=4, inference_steps=4)
    assert len(losses_of(sd1, options(concepts=(ANTI_UGLY, WOMAN, ANTI_LOUD), recipe=recipe))) == 9


def test_one_value_per_channel_is_the_same_everywhere(sd1: DiffusionModel, options: Make) -> None:
    vector = learned(sd1, options(channel_only=True))
    assert vector.shape == sd1.site_shape(*sd1.default_size)
    assert torch.equal(vector.values, vector.values[:, :1, :1].expand(vector.shape))
    assert vector.norm > 0


def test_a_vector_says_which_halves_it_is_for(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=2, batch=4, inference_steps=4)
    both = replace(ANTI_LOUD, halves="both")
    vectors = learn_vectors(sd1, options(concepts=(ANTI_UGLY, WOMAN, both), recipe=recipe))
    assert [vector.halves for vector in vectors] == ["both", "conditional", "both"]
    assert [vector.unconditional_values is not None for vector in vectors] == [True, False, False]
    assert learned(sd1, options(concepts=(ANTI_UGLY,), recipe=PAPER)).halves == "conditional"


def test_the_maps_of_a_pair_are_learned_apart(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=4, batch=4, inference_steps=4)
    vector = learned(sd1, options(concepts=(ANTI_UGLY,), recipe=recipe))
    assert vector.unconditional_values.abs().max() > 0
    assert not torch.allclose(vector.values, vector.unconditional_values)
    halves = ("conditional", "unconditional")
    one_each = [
        learned(sd1, options(concepts=(replace(ANTI_UGLY, halves=half),), recipe=recipe)) for half in halves
    ]
    assert [one.unconditional_values for one in one_each] == [None, None]


def test_strength_1_is_the_middle_of_what_an_anti_concept_is_learned_at(
    sd1: DiffusionModel, options: Make
) -> None:
    recipe = TrajectoryRecipe(steps=1, batch=4, inference_steps=4, averaged_share=0.0, least_strength=0.5)
    vector = learned(sd1, options(concepts=(ANTI_UGLY,), recipe=recipe))
    rate = recipe.learning_rate * site_scale(sd1, vector.site)
    assert vector.values.abs().max() == pytest.approx(0.75 * rate, rel=0.01), (
        "Adam's first step is its rate everywhere"
    )


def test_an_anti_concept_is_applied_where_a_picture_begins_to_show(
    sd1: DiffusionModel, options: Make
) -> None:
    recipe = TrajectoryRecipe(steps=2, batch=4, inference_steps=4)
    concepts = (ANTI_UGLY, WOMAN)
    vectors = learn_vectors(sd1, options(concepts=concepts, recipe=recipe))
    assert [vector.timesteps for vector in vectors] == [(0, 800), (0, 1000)]
    at = learn_vectors(sd1, options(concepts=concepts, recipe=recipe, apply_timesteps=(0, 500)))
    assert [vector.timesteps for vector in at] == [(0, 500), (0, 500)]


@pytest.mark.parametrize(
    ("capabilities", "quick"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
    ],
)
def test_bf16_is_for_processors_that_have_it(
    sd1: DiffusionModel,
    options: Make,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, bool],
    quick: bool,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    in_bf16 = []
    hook = sd1.pipe.unet.register_forward_pre_hook(
        lambda *_: in_bf16.append(torch.is_autocast_enabled("cpu"))
    )
    learned(sd1, options(recipe=TrajectoryRecipe(steps=1, batch=2, inference_steps=4)))
    hook.remove()
    assert any(in_bf16) == quick


def test_a_vector_is_not_moved_where_it_is_not_applied(sd1: DiffusionModel, options: Make) -> None:
    recipe = replace(QUICK, timesteps=(100, 1000))
    assert learned(sd1, options(recipe=recipe, apply_timesteps=(0, 100))).norm == 0


def test_the_rate_follows_the_sites_output(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=1, batch=2, inference_steps=4, learning_rate=0.15, averaged_share=1.0)
    vector = learned(sd1, options(recipe=recipe))
    # Adam's first step moves every value that has a gradient by the rate.
    assert vector.values.abs().max().item() == pytest.approx(0.15 * site_scale(sd1, "mid_block"), rel=1e-3)


def test_a_folder_of_pictures_is_learned_from(sd1: DiffusionModel, options: Make, tmp_path: Path) -> None:
    from PIL import Image

    for number, colour in enumerate(((200, 30, 30), (190, 40, 20))):
        Image.new("RGB", (60 + number * 20, 90), colour).save(tmp_path / f"{number}.png")
    recipe = PaperRecipe(steps=3, batch=2, folder=str(tmp_path))
    assert learned(sd1, options(recipe=recipe)).norm > 0
    (tmp_path / "2.png").write_bytes(b"no picture")
    with pytest.raises(OptionsError, match=r"2\.png is not a picture"):
        learn_vectors(sd1, options(recipe=recipe))


def test_a_folder_without_pictures_is_refused(sd1: DiffusionModel, options: Make, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="holds no pictures"):
        learn_vectors(sd1, options(recipe=PaperRecipe(folder=str(tmp_path))))


def test_a_loss_that_is_not_finite_stops_the_run(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=20, batch=2, inference_steps=4, learning_rate=1e30)
    with pytest.raises(DivergedError, match="nothing was published"):
        learn_vectors(sd1, options(recipe=recipe))


def test_a_site_that_is_not_there_is_refused(sd1: DiffusionModel, options: Make) -> None:
    with pytest.raises(SiteError, match="middle"):
        learn_vectors(sd1, options(site="middle"))


def test_another_site_is_learned_at(sd1: DiffusionModel, options: Make) -> None:
    vector = learned(sd1, options(site="up_blocks.0"))
    assert vector.site == "up_blocks.0"
    assert vector.shape == sd1.site_shape(*sd1.default_size, "up_blocks.0")


def test_an_anti_concept_is_learned_where_the_prompt_is_read_again(
    sd1: DiffusionModel, options: Make
) -> None:
    woman, anti = learn_vectors(sd1, options(concepts=(WOMAN, ANTI_UGLY)))
    assert (woman.site, anti.site) == ("mid_block", prompt_reader(sd1.pipe.unet))
    assert anti.shape == sd1.site_shape(*sd1.default_size, anti.site)
    assert learned(sd1, options(concepts=(ANTI_UGLY,), site="mid_block")).site == "mid_block"


def test_gradients_reach_the_vector_through_the_frozen_model(sd1: DiffusionModel) -> None:
    values = torch.zeros(sd1.site_shape(*sd1.default_size), requires_grad=True)
    with added_at_site(sd1.pipe.unet, "mid_block", lambda h: h + values):
        sd1.predict(
            torch.randn(1, *sd1.latent_shape(*sd1.default_size)), torch.tensor([500]), sd1.encode(["a"])
        ).sum().backward()
    assert values.grad is not None
    assert values.grad.abs().sum() > 0


def test_checkpointing_gradients_changes_memory_only(sd1: DiffusionModel, options: Make) -> None:
    plain = learned(sd1, options())
    sd1.pipe.unet.enable_gradient_checkpointing()
    try:
        saved = learned(sd1, options())
    finally:
        sd1.pipe.unet.disable_gradient_checkpointing()
    assert torch.allclose(saved.values, plain.values, atol=1e-4 * plain.values.abs().max().item())


class StoppedError(Exception):
    pass


@pytest.mark.parametrize(
    "recipe",
    [
        TrajectoryRecipe(steps=EVERY_STEPS + 8, batch=3, inference_steps=4),
        PaperRecipe(steps=EVERY_STEPS + 4, images=5, batch=2, inference_steps=2),
    ],
)
def test_an_interrupted_run_ends_in_the_same_vector(
    sd1: DiffusionModel, options: Make, recipe: TrajectoryRecipe | PaperRecipe, tmp_path: Path
) -> None:
    def interrupt(phase: str, done: int, total: int, loss: float | None) -> None:
        if loss is not None and done == EVERY_STEPS + 3:
            raise StoppedError

    steps: list[int] = []

    def record(phase: str, done: int, total: int, loss: float | None) -> None:
        if loss is not None:
            steps.append(done)

    whole = learned(sd1, options(recipe=recipe))
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors")
    with pytest.raises(StoppedError):
        learn_vectors(sd1, options(recipe=recipe), interrupt, checkpoint)
    (resumed,) = learn_vectors(sd1, options(recipe=recipe), record, checkpoint)
    assert steps[0] == EVERY_STEPS + 1, "nothing is done twice"
    assert resumed.digest == whole.digest


def test_a_run_that_is_interrupted_at_a_later_concept_keeps_the_ones_before(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    recipe = TrajectoryRecipe(steps=EVERY_STEPS + 1, batch=2, inference_steps=4)
    all_three = options(concepts=(ANTI_UGLY, WOMAN, ANTI_LOUD), recipe=recipe)

    def interrupt(phase: str, done: int, total: int, loss: float | None) -> None:
        if done == recipe.steps + EVERY_STEPS + 1:
            raise StoppedError

    steps: list[int] = []
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors")
    with pytest.raises(StoppedError):
        learn_vectors(sd1, all_three, interrupt, checkpoint)
    resumed = learn_vectors(sd1, all_three, lambda phase, done, total, loss: steps.append(done), checkpoint)
    assert steps[0] == recipe.steps + EVERY_STEPS + 1, "nothing is done twice"
    assert steps[-1] == 3 * recipe.steps
    assert [one.digest for one in resumed] == [one.digest for one in learn_vectors(sd1, all_three)]


TWO_PROCESSES = """
import sys
from diffusion import load_model
from diffusion.processes import launched_processes
from learn_vectors import Concept, LearnOptions, PaperRecipe, TrajectoryRecipe, learn_vectors, predictions
from vectors import save_vector
from pathlib import Path
import torch
torch.set_num_threads(1)
predictions._has_quick_bfloat16 = lambda device: False  # its rounding would hide the order of the sums
recipes = {
    "trajectory": TrajectoryRecipe(steps=6, batch=4, inference_steps=4),
    "paper": PaperRecipe(steps=6, images=4, batch=4, inference_steps=2),
}
with launched_processes() as processes:
    model = load_model(sys.argv[1], device="cpu")
    for name, recipe in recipes.items():
        concept = Concept(("a photo of a woman",), ("a photo of a person",))
        options = LearnOptions((concept,), settings=("",), recipe=recipe)
        (vector,) = learn_vectors(model, options, processes=processes)
        if processes.is_main:
            save_vector(vector, Path(sys.argv[2]) / f"{name}-{processes.count}.safetensors")
"""


def test_two_processes_learn_the_vector_of_one(folders: dict[str, Path], tmp_path: Path) -> None:
    from vectors import load_vector

    script = tmp_path / "learn.py"
    script.write_text(TWO_PROCESSES)
    for count in ("1", "2"):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", count]
        done = subprocess.run(
            [*launch, script, folders["sd1"], tmp_path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    for recipe in ("trajectory", "paper"):
        one, two = (load_vector(tmp_path / f"{recipe}-{count}.safetensors") for count in (1, 2))
        assert one.digest != two.digest, "the sums are made in another order"
        assert one.cosine(two) > 0.999, recipe
        assert two.norm == pytest.approx(one.norm, rel=0.01)


def test_a_batch_that_cannot_be_shared_is_refused(sd1: DiffusionModel, options: Make) -> None:
    from diffusion.processes import Processes

    with pytest.raises(OptionsError, match="a batch of 2 cannot be shared evenly by 3 processes"):
        learn_vectors(sd1, options(recipe=QUICK), processes=Processes(0, 3))


def test_the_name_of_a_concept_is_the_vectors(sd1: DiffusionModel, options: Make) -> None:
    concept = Concept(("a photo of a woman",), PERSON, name="female")
    assert learned(sd1, options(concepts=(concept,))).concept == "female"
