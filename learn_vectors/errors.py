"""What can go wrong in learning.

LearningError
├── OptionsError        an option is out of range or does not fit the others
├── DivergedError    the loss is not finite
└── RunDirectoryError   the run directory cannot be used
"""


class LearningError(Exception):
    """Anything that stops the learner."""


class OptionsError(LearningError):
    """An option is out of range or does not fit the others."""


class DivergedError(LearningError):
    """The loss of a step is not finite; nothing is published."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"The loss is {loss} at step {step}: nothing was published. Lower the learning rate, or the eta, "
            "or use a dtype with more range than this model's."
        )
        self.step = step
        self.loss = loss


class RunDirectoryError(LearningError):
    """The run directory cannot be used."""
