"""Lessons: from a few prompts to the predictions that the vector is to bring about, in several contexts.

Pure text, no torch. Entry points: `lessons_of`, `prompts_of`, `preview_prompts`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from learn_vectors.options import LearnOptions, PaperRecipe, TrajectoryRecipe

_PERSON = "person"


@dataclass(frozen=True)
class Lesson:
    """What the steered prediction under `prompt` is to be: that of `target`, pushed away from `repelled`.

    In predictions e of the frozen model, with "" the empty prompt:
    e(prompt; h + c) -> e(target) - eta * (e(repelled) - e("")).
    """

    prompt: str
    target: str
    repelled: str = ""
    eta: float = 0.0
    share: float = 1.0
    """How often it is drawn, relative to the others."""


def lessons_of(options: LearnOptions, recipe: TrajectoryRecipe) -> tuple[Lesson, ...]:
    """Return the lessons of a concept, or of an anti-concept."""
    if options.negative_prompt is None:
        return tuple(
            Lesson(prompt=base, target=stated)
            for positive, negative in zip(options.positive, options.negative, strict=True)
            for base, stated in _pairs(positive, negative, options.contexts, options.settings)
        )
    return _anti_lessons(options, options.negative_prompt, recipe)


def _anti_lessons(options: LearnOptions, unwanted: str, recipe: TrajectoryRecipe) -> tuple[Lesson, ...]:
    """Half of the dangerous prompts say the unwanted thing outright; harmless ones are to stay as they are."""
    contexts, settings = options.contexts, options.settings
    harmless = [
        f"a photo of {with_article(context)}{_after(setting)}" for context in contexts for setting in settings
    ]
    explicit = [
        f"{with_article(unwanted)} photo of {with_article(context)}{_after(setting)}"
        for context in contexts
        for setting in settings
    ]
    innocent = [
        prompt
        for positive in options.positive
        for _, prompt in _pairs(positive, positive, contexts, settings)
    ]
    dangerous_share = 1 - recipe.harmless_share
    return (
        *(Lesson(prompt, prompt, share=recipe.harmless_share / len(harmless)) for prompt in harmless),
        *(
            Lesson(prompt, prompt, unwanted, recipe.eta, dangerous_share / 2 / len(prompts))
            for prompts in (explicit, innocent)
            for prompt in prompts
        ),
    )


def _pairs(
    positive: str, negative: str, contexts: tuple[str, ...], settings: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Return pairs (without, with the concept): the prompts as given, and with every context for "person".

    Where the positive prompt puts a noun in the person's place ("a woman"), the noun becomes an adjective of the
    context ("a woman doctor"). Prompts without the word "person" are taken as they are.
    """
    pairs = [(negative, positive)]
    if _PERSON in negative.split():
        template = _with_person(positive, negative)
        pairs += [
            (_put(negative, context), _put(template, context)) for context in contexts if context != _PERSON
        ]
    return [
        (base + _after(setting), stated + _after(setting)) for base, stated in pairs for setting in settings
    ]


def _with_person(positive: str, negative: str) -> str:
    """Give the positive prompt a "person" where it has put another noun in its place."""
    words = positive.split()
    if _PERSON in words:
        return positive
    matcher = difflib.SequenceMatcher(a=negative.split(), b=words, autojunk=False)
    place = negative.split().index(_PERSON)
    for _, start, end, _, new_end in matcher.get_opcodes():
        if start <= place < end:
            words.insert(new_end, _PERSON)
    return " ".join(words)


def _put(prompt: str, context: str) -> str:
    """Put a context in the person's place and mend the articles."""
    return _mend_articles(re.sub(rf"\b{_PERSON}\b", context, prompt))


def _mend_articles(prompt: str) -> str:
    """Make every "a" and "an" fit the word behind it."""
    return re.sub(r"\b(?:a|an) (\w+)", lambda match: with_article(match.group(1)), prompt)


def with_article(phrase: str) -> str:
    """Put the indefinite article before a phrase.

    >>> with_article("old doctor")
    'an old doctor'
    """
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def _after(setting: str) -> str:
    return f" {setting}" if setting else ""


def preview_prompts(options: LearnOptions) -> tuple[str, ...]:
    """Return up to three prompts on which the vector's effect can be seen: what it is to change, unsteered."""
    bases = options.positive if options.is_anti else options.base_prompts
    prompts = [base for prompt in bases for base, _ in _pairs(prompt, prompt, options.contexts, ("",))]
    return tuple(dict.fromkeys(prompts))[:3]


def prompts_of(options: LearnOptions) -> tuple[str, ...]:
    """Return every prompt that learning will use, in order and each once."""
    if isinstance(options.recipe, PaperRecipe):
        prompts = [*options.positive, *options.base_prompts, options.negative_prompt or ""]
    else:
        lessons = lessons_of(options, options.recipe)
        prompts = [text for lesson in lessons for text in (lesson.prompt, lesson.target, lesson.repelled)]
    return tuple(dict.fromkeys(prompt for prompt in prompts if prompt))
