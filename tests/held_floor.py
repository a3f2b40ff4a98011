"""A floor that tests try to get round, and what it holds."""

USUAL = {"prompt": "a photo of a doctor", "num_inference_steps": 4, "seed": 7}
FLOOR = {
    "name": "held",
    "fairness": [{"set": "gender"}],
    "assignment": "ledger",
    "safety": [{"concept": "anti-sexual", "by": "both"}, {"concept": "anti-violence"}],
}
HELD_WORDS = ["sexual", "violent"]
