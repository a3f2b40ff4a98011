from pathlib import Path

import pytest
from huggingface_hub import constants

from evaluation.errors import EvaluationError
from evaluation.prompts import Prompt
from evaluation.published_prompts import (
    PUBLISHED_PROFESSIONS,
    PromptFileError,
    categories_of,
    load_i2p,
    profession_prompts,
)

HEADINGS = (
    "prompt,categories,hard,inappropriate_percentage,evaluation_seed,evaluation_guidance,sd_image_width"
)
ROWS = (
    '"a street at night, in the rain ","violence, self-harm",0,40.0,4261553411,13,512',
    "a lone tree,shocking,1,20.0,150,7.5,512",
    'an old ""poster"",sexual,0,30.0,0,7,512',
    "a crowd,violence,0,60.0,7,7,512",
)


def i2p(folder: Path, *rows: str, headings: str = HEADINGS) -> Path:
    path = folder / "i2p.csv"
    path.write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_professions_come_in_five_templates_and_two_kinds() -> None:
    plain, hard = profession_prompts(), profession_prompts(hard=True)
    assert len(PUBLISHED_PROFESSIONS) == len(set(PUBLISHED_PROFESSIONS)) == 36
    assert len(plain) == len(hard) == 180 == len(set(plain))
    assert plain[0] == Prompt("Image of attendant", "attendant", scene="")
    assert hard[-1] == Prompt("Portrait of a successful doctor", "doctor", scene="")
    assert [prompt.text.split()[0] for prompt in plain[:5]] == [
        "Image", "Picture", "Photo", "Headshot", "Portrait",
    ]  # fmt: skip
    assert all(prompt.profession in prompt.text for prompt in plain + hard)
    assert [prompt.profession for prompt in profession_prompts(professions=["nurse"])] == ["nurse"] * 5


def test_i2p_is_read_with_its_seeds_and_guidance(tmp_path: Path) -> None:
    prompts = load_i2p(i2p(tmp_path, *ROWS))
    assert prompts[0] == Prompt(
        "a street at night, in the rain",
        scene="",
        subject="",
        seed=4261553411,
        guidance_scale=13.0,
        category="violence, self-harm",
    )
    assert [prompt.seed for prompt in prompts] == [4261553411, 150, 0, 7]
    assert [prompt.guidance_scale for prompt in prompts] == [13.0, 7.5, 7.0, 7.0]
    assert [categories_of(prompt) for prompt in prompts] == [
        ("violence", "self-harm"),
        ("shocking",),
        ("sexual",),
        ("violence",),
    ]
    assert prompts[0].shows == {}


def test_a_category_and_a_limit_choose_prompts(tmp_path: Path) -> None:
    path = i2p(tmp_path, *ROWS)
    assert [prompt.seed for prompt in load_i2p(path, category="violence")] == [4261553411, 7]
    assert [prompt.seed for prompt in load_i2p(path, category="violence", limit=1)] == [4261553411]
    assert [prompt.seed for prompt in load_i2p(path, limit=3)] == [4261553411, 150, 0]
    with pytest.raises(
        PromptFileError, match="under 'hate'; there are self-harm, sexual, shocking, violence"
    ):
        load_i2p(path, category="hate")
    with pytest.raises(EvaluationError, match="limit of 1 or more"):
        load_i2p(path, limit=0)


def test_the_data_sets_own_column_names_are_understood(tmp_path: Path) -> None:
    headings = "prompt,categories,sd_seed,sd_guidance_scale"
    (prompt,) = load_i2p(i2p(tmp_path, "a lone tree,shocking,150,7.5", headings=headings))
    assert (prompt.seed, prompt.guidance_scale) == (150, 7.5)


@pytest.mark.parametrize(
    ("row", "message", "column"),
    [
        ("a tree,shocking,0,0,-3,7,512", "'-3' is not a seed", "evaluation_seed"),
        ("a tree,shocking,0,0,1.5,7,512", "'1.5' is not a seed", "evaluation_seed"),
        ("a tree,shocking,0,0,36893488147419103232,7,512", "is not a seed", "evaluation_seed"),
        ("a tree,shocking,0,0,1,strong,512", "'strong' is not a guidance scale", "evaluation_guidance"),
        ("a tree,shocking,0,0,1,nan,512", "'nan' is not a guidance scale", "evaluation_guidance"),
        ("a tree,shocking,0,0,1,-7,512", "'-7' is not a guidance scale", "evaluation_guidance"),
        ("a tree, ,0,0,1,7,512", "is not what the prompt is filed under", "categories"),
        ("a tree,shocking,0,0,1", "the row ends before it", "evaluation_guidance"),
    ],
)
def test_a_bad_value_is_refused_by_row_and_column(
    tmp_path: Path, row: str, message: str, column: str
) -> None:
    path = i2p(tmp_path, *ROWS, row)
    with pytest.raises(PromptFileError, match=f"row 6, column '{column}': .*{message}") as caught:
        load_i2p(path)
    assert (caught.value.path, caught.value.row, caught.value.column) == (path, 6, column)
    assert len(load_i2p(path, limit=4)) == 4


def test_what_is_no_file_of_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match=r"nothing\.csv: this is no CSV file"):
        load_i2p(tmp_path / "nothing.csv")
    with pytest.raises(PromptFileError, match="it has no prompts"):
        load_i2p(i2p(tmp_path))
    with pytest.raises(PromptFileError, match="row 1: there is no column 'evaluation_seed' or 'sd_seed'"):
        load_i2p(i2p(tmp_path, headings="prompt,categories"))
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PromptFileError, match="this is no CSV file in UTF-8"):
        load_i2p(tmp_path / "picture.csv")


def test_the_hugging_face_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EvaluationError, match="AIML-TUDA/i2p are not in the Hugging Face cache"):
        load_i2p()
    repository = tmp_path / "datasets--AIML-TUDA--i2p"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    i2p(snapshot, *ROWS).rename(snapshot / "i2p_benchmark.csv")
    assert len(load_i2p()) == 4
