"""Policies: which concept vectors each image gets, how strongly and why. Pure, no torch.

Entry points: `document.Policy` (what a policy says), `check.check_policy` (does it fit what is
loaded), `plan.plan` (policy and seeds to one `ImagePlan` per image).
"""
