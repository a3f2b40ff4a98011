"""What each table of figures says, from the JSON files in benchmarks/results.

Entry point: `TABLES`: name -> a function that gives the head and the rows.
"""

from collections.abc import Callable, Mapping

from docs_site.engine_tables import ceiling, engine, engine_parts, exactness, latency
from docs_site.evaluation_tables import (
    composed,
    drift,
    fairness,
    generalise,
    methods_fairness,
    methods_safety,
    safety,
    safety_rules,
    served,
    strengths,
)
from docs_site.learning_tables import learning_memory, recipes_fairness, recipes_safety, where_drawn
from docs_site.results import Table
from docs_site.serving_tables import faults, service
from docs_site.text_tables import gate, responsible_text, responsible_text_effect

TABLES: Mapping[str, Callable[[], Table]] = {
    "fairness": fairness,
    "safety": safety,
    "safety-rules": safety_rules,
    "served": served,
    "generalise": generalise,
    "composed": composed,
    "strengths": strengths,
    "drift": drift,
    "methods-fairness": methods_fairness,
    "methods-safety": methods_safety,
    "recipes-fairness": recipes_fairness,
    "recipes-safety": recipes_safety,
    "where-drawn": where_drawn,
    "learning-memory": learning_memory,
    "gate": gate,
    "responsible-text": responsible_text,
    "responsible-text-effect": responsible_text_effect,
    "faults": faults,
    "service": service,
    "exactness": exactness,
    "engine": engine,
    "latency": latency,
    "ceiling": ceiling,
    "engine-parts": engine_parts,
}
