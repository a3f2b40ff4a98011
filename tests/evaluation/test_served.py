from collections.abc import Callable, Sequence

import pytest
from PIL import Image
from told_detector import ToldDetector

from evaluation import EvaluationError, ServedFairness, ServedResult
from evaluation.prompts import Prompt
from evaluation.reports import served_sections
from evaluation.served import Ask, ServedImage

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
DOCTOR, CAT = Prompt("a photo of a doctor", "doctor"), Prompt("a photo of a cat", subject="cat")
CELLS = [(gender, race) for gender in SETS["gender"] for race in SETS["race"]]


def readings(cells: Sequence[tuple[str, str]], profession: str = "doctor") -> list[dict[str, str]]:
    return [{"gender": gender, "race": race, "profession": profession} for gender, race in cells]


class DrawnService:
    """Gives every cell in turn under a policy, in pictures of one colour; of cats they can depend on the policy."""

    def __init__(self, *, changes_cats: bool = False) -> None:
        self.asks: list[Ask] = []
        self._changes_cats = changes_cats

    def __call__(self, asks: Sequence[Ask], on_answer: Callable[[int, int], None]) -> list[list[ServedImage]]:
        self.asks += asks
        on_answer(len(asks), len(asks))
        return [[self._image(ask, number) for number in range(ask.images)] for ask in asks]

    def _image(self, ask: Ask, number: int) -> ServedImage:
        seed = ask.seed + number
        steered = bool(ask.policy) and (ask.prompt == DOCTOR.text or self._changes_cats)
        colour = (seed, int(steered), 0)
        cell = CELLS[seed % 6] if steered else ()
        return ServedImage(Image.new("RGB", (8, 8), colour), cell)


def counted(
    told: list[dict[str, str]], service: DrawnService | None = None, *, images: int = 6, per_request: int = 4
) -> ServedResult:
    detector = ToldDetector(told)
    detector.attributes = {**detector.attributes, "profession": ("doctor", "nurse")}
    evaluation = ServedFairness(
        SETS,
        detector,
        prompts=[DOCTOR],
        outside=[CAT],
        images_per_prompt=images,
        images_per_request=per_request,
        mark="now",
    )
    return evaluation.result(service or DrawnService(), progress=lambda *_: None)


def test_every_policy_is_asked_for_the_same_images_in_requests() -> None:
    service = DrawnService()
    counted(readings(CELLS), service)
    assert [(ask.prompt, ask.seed, ask.images) for ask in service.asks] == [
        (DOCTOR.text, 0, 4),
        (DOCTOR.text, 4, 2),
        (CAT.text, 0, 4),
    ] * 3
    assert [ask.policy.get("assignment") for ask in service.asks[::3]] == [None, "balanced", "ledger"]
    assert service.asks[0].policy == {}
    assert service.asks[3].policy["fairness"] == [{"set": "gender"}, {"set": "race"}]
    assert service.asks[3].policy["description"] == "now"


def test_sets_are_counted_alone_and_together() -> None:
    plain, balanced, ledger = counted([*readings([("man", "white")] * 6), *readings(CELLS)]).conditions
    assert plain.deviation == {
        "gender": {"doctor": 1.0},
        "race": {"doctor": 1.0},
        "gender x race": {"doctor": pytest.approx(1.0)},
    }
    assert [balanced.mean_deviation[name].value for name in balanced.deviation] == pytest.approx([0, 0, 0])
    assert balanced.obeyed["gender"].value == balanced.obeyed["race"].value == 1
    assert plain.obeyed["gender"].total == 0
    # The third policy is read as the first again.
    assert ledger.obeyed["race"].value == pytest.approx(1 / 3)


def test_even_margins_do_not_hide_uneven_cells() -> None:
    cells = [("woman", "black"), ("man", "white")] * 3
    (_, balanced, _) = counted(readings(cells)).conditions
    assert balanced.deviation["gender"]["doctor"] == 0
    assert balanced.deviation["gender x race"]["doctor"] == pytest.approx(0.4)


@pytest.mark.parametrize(("changes", "expected"), [(False, 0), (True, 4)])
def test_a_changed_picture_outside_the_gate_is_counted(changes: bool, expected: int) -> None:
    result = counted(readings(CELLS), DrawnService(changes_cats=changes))
    assert [one.changed_outside.hits for one in result.conditions] == [0, expected, expected]
    assert result.conditions[0].changed_outside.total == 4


def test_professions_that_are_lost_are_counted() -> None:
    result = counted([*readings(CELLS[:3]), *readings(CELLS[3:], "nurse")])
    assert result.conditions[0].profession.value == 0.5


def test_it_is_told_in_tables() -> None:
    means, each, alone = served_sections(counted(readings(CELLS)))
    assert means.table is not None
    assert [row[0] for row in means.table.rows] == ["no policy", "balanced", "ledger"]
    assert "gender x race DR" in means.table.headings
    assert each.table is not None
    assert each.table.rows[1][:2] == ["balanced", "doctor"]
    assert alone.table is not None
    assert alone.table.rows[2][-2:] == ["0", "4"]


def test_a_set_that_the_detector_cannot_read_is_refused() -> None:
    with pytest.raises(EvaluationError, match="cannot tell young, old apart"):
        ServedFairness(
            {"age": ("young", "old")},
            ToldDetector([{}]),
            prompts=[DOCTOR],
            outside=[CAT],
            images_per_prompt=1,
            images_per_request=1,
        )
