"""What can go wrong in an evaluation: EvaluationError is all there is."""


class EvaluationError(Exception):
    """An evaluation that cannot be made as asked."""
