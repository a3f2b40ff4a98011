import copy
from typing import Any

import pytest
import rendered_chart
from rendered_chart import EXAMPLES, Manifest


@pytest.fixture(scope="session")
def examples() -> dict[str, list[Manifest]]:
    """What each of the example values becomes."""
    return {name: rendered_chart.rendered(rendered_chart.example(name)) for name in EXAMPLES}


@pytest.fixture(params=EXAMPLES)
def manifests(request: pytest.FixtureRequest, examples: dict[str, list[Manifest]]) -> list[Manifest]:
    """What each of the example values becomes, in turn."""
    return copy.deepcopy(examples[request.param])


@pytest.fixture(scope="session")
def values() -> dict[str, Any]:
    """The chart's values where nobody chose."""
    return rendered_chart.chart().values
