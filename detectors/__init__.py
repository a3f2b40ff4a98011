"""What reads a finished picture: attribute classifiers behind one interface.

`Detector` is the interface; `DemoOracle` reads the drawn world of the embedded model.
"""

from detectors.demo_oracle import DemoOracle
from detectors.detector import Detector, Reading

__all__ = ["DemoOracle", "Detector", "Reading"]
