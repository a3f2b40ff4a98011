"""Groups of prompts that are about the same people: their images are counted together.

Entry point: `people_group`.
"""

from policies.gate import Gate, LexiconGate
from policies.prompt_reading.tokens import tokenised


def people_group(prompt: str, gate: Gate) -> str:
    """Return the people of a prompt as one text: "doctor" for "a photo of a doctor" and "portrait of two doctors".

    Their words are put into the singular, each once, in alphabetical order. Empty where the gate is none that reads
    words, or the prompt has nobody: those prompts are counted together.
    """
    if not isinstance(gate, LexiconGate):
        return ""
    mentions = {
        " ".join(token.lemma for token in tokenised(mention.text)) for mention in gate.read(prompt).people
    }
    return ", ".join(sorted(mentions))
