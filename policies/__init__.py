"""Policies: which concept vectors each image gets, how strongly and why. Pure, no torch.

Entry points: `document.Policy` (what a policy says), `files` (as files), `check.check_policy` (does it fit what is
loaded), `floor` (what holds under every policy), `gate.LexiconGate` (does fairness apply to this prompt), `plan.plan`
(policy, prompt and seeds to one `ImagePlan` per image), `screen_rule.ScreenRule` (what follows from what finished
pictures show).
"""
