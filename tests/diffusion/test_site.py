import pytest
import torch
from diffusers import UNet2DConditionModel
from tiny_pipelines import tiny_sd1

from diffusion import SiteError, added_at_site
from diffusion.site import prompt_reader, resolve_site, site_shape


def test_a_dotted_name_finds_its_module(sd1):
    unet = sd1.pipe.unet
    assert resolve_site(unet, "mid_block") is unet.mid_block
    assert resolve_site(unet, "up_blocks.0.resnets.1") is unet.up_blocks[0].resnets[1]


def test_a_wrong_name_is_told_with_the_modules_near_it(sd1):
    with pytest.raises(
        SiteError, match=r"No module 'mid_blok' in UNet2DConditionModel .*Did you mean mid_block"
    ):
        resolve_site(sd1.pipe.unet, "mid_blok")
    with pytest.raises(SiteError, match=r"No module '7' in UNet2DConditionModel.up_blocks .*It has: 0, 1\."):
        resolve_site(sd1.pipe.unet, "up_blocks.7")
    with pytest.raises(SiteError, match=r"It has no modules inside\."):
        resolve_site(sd1.pipe.unet, "conv_in.weight")


def test_what_the_last_attention_of_the_first_reading_up_block_reads(model, watched):
    unet = model.pipe.unet
    block = next(block for block in unet.up_blocks if hasattr(block, "attentions"))
    read = []
    shape = model.latent_shape(*model.default_size)
    with watched(unet, prompt_reader(unet)) as given:
        handle = block.attentions[-1].register_forward_pre_hook(
            lambda _module, inputs: read.append(inputs[0])
        )
        model.predict(torch.zeros(1, *shape), torch.tensor([500]), model.encode(["a"]))
        handle.remove()
    assert torch.equal(read[0], given[0])


def test_without_a_reading_up_block_it_is_the_bottleneck():
    unet = UNet2DConditionModel(
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
    )
    assert prompt_reader(unet) == "mid_block"


@pytest.mark.parametrize("site", ["mid_block", "up_blocks.0", "up_blocks.1.resnets.0"])
@pytest.mark.parametrize("size", [(32, 32), (48, 64), (40, 56)])
def test_the_shape_is_that_of_a_real_forward_pass(model, watched, site, size):
    rows, columns = model.latent_shape(*size)[1:]
    with watched(model.pipe.unet, site) as seen:
        model.predict(torch.zeros(1, 4, rows, columns), torch.tensor([500]), model.encode(["a dog"]))
    assert model.site_shape(*size, site) == tuple(seen[0].shape[1:])
    assert model.site_shape(32, 32) == (32, 4, 4)


def test_measuring_leaves_the_model_and_its_hooks_alone():
    unet = tiny_sd1().unet

    def must_not_run(_h):
        raise AssertionError("the U-Net itself was run")

    with added_at_site(unet, "mid_block", must_not_run):
        assert site_shape(unet, "mid_block", (8, 8)) == (32, 4, 4)


def test_measuring_what_is_no_map_is_refused(sd1):
    with pytest.raises(SiteError, match=r"'down_blocks\.0' gives a tuple"):
        sd1.site_shape(32, 32, "down_blocks.0")


def test_a_module_outside_of_the_forward_pass_is_refused(sd1):
    with pytest.raises(SiteError, match=r"'down_blocks' takes no part in a forward pass"):
        sd1.site_shape(32, 32, "down_blocks")
