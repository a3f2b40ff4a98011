"""Reading a prompt: which people it is about, and what it states of them, by lexicon and dictionary alone.

Entry points: `reading.read_prompt`, `lexicon.load_lexicon`. The word lists are the YAML files in words/.
"""
