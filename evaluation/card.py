"""The card of a vector: one page with what it does, how it was learned, where it applies and what it cannot do.

Entry point: `write_card`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from evaluation.card_limits import limits_of, terms_of
from evaluation.card_pictures import CardPictures
from evaluation.page import LineChart, Section, Table, write_page
from vectors import ConceptSet, ConceptVector, StoredVector
from vectors.concept import Setting
from vectors.effect import Effect
from vectors.names import shortened

_HALVES: Final[Mapping[str, str]] = {
    "conditional": "conditional: the half of guidance that reads the prompt",
    "unconditional": "unconditional: the half of guidance that reads the negative prompt",
    "both": "both halves of guidance",
}
_LONGEST_WORD: Final = 24
"""Characters of a part of a list up to which the parts stand in one line."""


def write_card(
    path: Path,
    stored: StoredVector,
    *,
    command: str,
    facts: Mapping[str, str],
    of_demo_model: bool,
    sets: Sequence[ConceptSet] = (),
    pictures: CardPictures | None = None,
    made: datetime | None = None,
) -> None:
    """Write a vector's card as one HTML file, without pictures where none are given.

    `facts` go to its head (sampling, machine, ...); `of_demo_model` says whether the vector was learned on
    Trimtab's demo model, and `sets` which concept sets there are. Raises OSError where the disk refuses.
    """
    vector = stored.vector
    model = "Trimtab's demo model" if of_demo_model else shortened(vector.base_model)
    sections = [
        *(_picture_sections(vector, pictures) if pictures else []),
        *_effect_sections(vector),
        _learning_section(vector),
        _application_section(stored, model),
        Section("Limits", points=list(limits_of(vector, sets, of_demo_model=of_demo_model))),
    ]
    write_page(
        path,
        title=stored.reference,
        kind="Vector card",
        lead=_lead(vector),
        command=command,
        facts={
            "recommended strength": f"{vector.recommended_strength:g}",
            **_headline(vector),
            "base model": model,
            "digest": shortened(stored.digest),
            **facts,
        },
        sections=sections,
        made=made,
    )


def _lead(vector: ConceptVector) -> str:
    """Say in a sentence what the vector is for."""
    prompts = vector.prompts
    if prompts.negative_prompt:
        unwanted = " and ".join(f"“{prompt}”" for prompt in prompts.negative_prompt)
        return f"Keeps {unwanted} out of pictures whose prompts bring it without naming it."
    if prompts.positive and prompts.negative:
        return (
            f"Makes “{prompts.negative[0]}” come out as “{prompts.positive[0]}”, and other prompts likewise."
        )
    if terms := terms_of(vector):
        return f"The sum {' + '.join(terms)}, as one vector."
    return "What it was learned from is not recorded."


def _picture_sections(vector: ConceptVector, pictures: CardPictures) -> Iterator[Section]:
    """Show the vector at work."""
    strength = f"{vector.recommended_strength:g}"
    if pictures.learned:
        yield Section(
            "On prompts it was learned from",
            f"Without the vector above, with it at strength {strength} below. A column is one seed, the same in "
            "every grid on this page.",
            grids=pictures.learned,
        )
    if pictures.unseen:
        yield Section(
            "On prompts it was not learned from",
            "Here it has to carry over to words that had no part in its learning.",
            grids=pictures.unseen,
        )
    if pictures.unrelated:
        yield Section(
            "On prompts about other things",
            "A vector acts wherever it is added, also where nobody asked for it. What changes here and should not "
            "is a reason to leave it out of such prompts.",
            grids=pictures.unrelated,
        )
    if pictures.strengths:
        yield Section(
            "Pictures over strengths",
            f"Strength multiplies the vector: 0 is the plain model, {strength} is recommended. With more of it the "
            "picture follows the vector at the cost of the prompt.",
            grids=pictures.strengths,
        )


def _headline(vector: ConceptVector) -> dict[str, str]:
    """Return the figure that tells whether the vector does what it is for."""
    for figure in Effect.of(vector.effect).figures:
        if figure.name == "success":
            without = "" if figure.unsteered is None else f", without it {_number(figure.unsteered)}"
            return {"success": f"{_number(figure.value)}{without}"}
    return {"measured": "yes" if vector.effect else "not yet"}


def _effect_sections(vector: ConceptVector) -> Iterator[Section]:
    """Give every figure that was measured, whatever its name."""
    effect = Effect.of(vector.effect)
    if not vector.effect:
        yield Section("Figures", "Nothing was measured of this vector.")
    if effect.figures:
        meanings = _meanings(vector)
        compares = any(figure.unsteered is not None for figure in effect.figures)
        at = f"at strength {vector.recommended_strength:g}"
        headings = ("figure", *(["without it"] if compares else []), at, "meaning")
        rows = [
            (
                _words(figure.name),
                *([_number(figure.unsteered)] if compares else []),
                _number(figure.value),
                meanings.get(figure.name, ""),
            )
            for figure in effect.figures
        ]
        yield Section(
            "Figures", "As measured when it was learned and kept in its file.", table=Table(headings, rows)
        )
    if effect.sweeps:
        yield Section("Figures over strengths", lines=list(_sweep_charts(vector, effect)))


def _meanings(vector: ConceptVector) -> Mapping[str, str]:
    """Say what the learner's own figures are."""
    wanted = "are free of it" if vector.prompts.negative_prompt else "show it"
    return {
        "success": f"the share of pictures that {wanted}",
        "kept": "the share of their other attributes that stay as without the vector",
        "pixel_change": "the mean absolute change of pixel values, 0 to 255",
    }


def _sweep_charts(vector: ConceptVector, effect: Effect) -> Iterator[LineChart]:
    """Draw figures over strengths: shares in one chart, what has another scale in one of its own."""
    mark = (vector.recommended_strength, "recommended")
    shares = {
        name: points for name, points in effect.sweeps.items() if all(0 <= value <= 1 for _, value in points)
    }
    if shares:
        named = {_words(name): points for name, points in shares.items()}
        yield LineChart("Shares over strengths", "strength", named, mark)
    for name, points in effect.sweeps.items():
        if name not in shares:
            title = f"{_words(name).capitalize()} over strengths"
            yield LineChart(title, "strength", {_words(name): points}, mark)


def _learning_section(vector: ConceptVector) -> Section:
    """Tell what the vector was learned from and with."""
    prompts = vector.prompts
    if prompts.negative_prompt:
        said = {
            "prompts that bring it": prompts.positive,
            "explained under": prompts.negative if prompts.negative != prompts.positive else (),
            "negative prompt": prompts.negative_prompt,
        }
    else:
        said = {"prompts with it": prompts.positive, "prompts without it": prompts.negative}
    told = {name: "\n".join(texts) for name, texts in said.items()}
    told |= {_words(name): _told(value) for name, value in _flat(vector.training)}
    told = {name: value for name, value in told.items() if value}
    if not told:
        return Section("How it was learned", "Nothing is recorded of how it was learned.")
    return Section("How it was learned", pairs=told)


def _application_section(stored: StoredVector, model: str) -> Section:
    """Tell where the vector is added, and to which model."""
    vector = stored.vector
    start, end = vector.timesteps
    everywhere = " (all)" if (start, end) == (0, 1000) else ""
    told = {
        "added to": f"the output of {vector.site}",
        "in": _HALVES[vector.halves] + (", with a map for each" if len(vector.maps) > 1 else ""),
        "at timesteps": f"{start} to {end - 1}{everywhere}",
        "shape": f"{' × '.join(map(str, vector.shape))} (channels, height, width)",
        "norm": f"{vector.norm:.4g}",
        "version": str(stored.version),
        "base model": "\n".join(dict.fromkeys((model, vector.base_model))),
        "digest": stored.digest,
    }
    return Section(
        "Where it applies",
        "It fits this one base model and is refused on any other. The digest is that of its values, name and "
        "place: whoever has the same digest has the same vector.",
        pairs=told,
    )


def _flat(settings: Mapping[str, Setting], above: str = "") -> Iterator[tuple[str, Setting]]:
    """Return settings with those inside of others after their name."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}, ")
        else:
            yield f"{above}{name}", value


def _told(value: Setting) -> str:
    """Write a setting as people do; sentences of a list a line each."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case int():
            return str(value)
        case str():
            return value or "(nothing)"
        case dict():
            return ", ".join(f"{name} {_told(part)}" for name, part in value.items())
        case list():
            parts = [_told(part) for part in value]
            return ("\n" if any(len(part) > _LONGEST_WORD for part in parts) else ", ").join(parts)


def _words(name: str) -> str:
    """Write a key as words."""
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    """Write a figure with the places it bears: shares with three, others with four digits, counts whole."""
    if value is None:
        return ""
    is_count = abs(value) > 1 and float(value).is_integer()
    return f"{value:.0f}" if is_count else f"{value:.3f}" if abs(value) <= 1 else f"{value:.4g}"
