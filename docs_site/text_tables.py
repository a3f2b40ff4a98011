"""The tables about what prompts say: the gate, and responsible text.

Entry points: `gate`, `responsible_text`, `responsible_text_effect`.
"""

from docs_site.results import Table, result


def gate() -> Table:
    """The gate's precision and recall."""
    called = {"development": "development, tuned on"}
    rows = []
    for half, said in result("gate")["halves"].items():
        for name, one in [
            (called.get(half, half), said),
            *((f"{half}: `{file}`", of) for file, of in said["files"].items()),
        ]:
            if len(said["files"]) > 1 or name == called.get(half, half):
                figures = [
                    f"{one[kind][figure]:.3f}"
                    for kind in ("gender", "race")
                    for figure in ("precision", "recall")
                ]
                rows.append([name, str(one["prompts"]), *figures])
    return ["half", "prompts", "gender: precision", "recall", "race: precision", "recall"], rows


def responsible_text() -> Table:
    """Precision and recall of reading responsible phrases."""
    called = {"development": "development, tuned on"}
    rows = [
        [
            called.get(half, half),
            str(one["prompts"]),
            f"{one['all']['precision']:.3f}",
            f"{one['all']['recall']:.3f}",
        ]
        for half, one in result("responsible_text")["halves"].items()
    ]
    return ["half", "prompts", "precision", "recall"], rows


def responsible_text_effect() -> Table:
    """What reading the phrases does to pictures."""
    columns = ("without", "phrase alone", "phrase read")
    rows = []
    for one in result("responsible_text_effect")["cases"]:
        measures = one["figures"]["without"]
        means = ", ".join(_measure(name) for name in measures)
        rows.append(
            [
                one["prompt"],
                means,
                *(", ".join(f"{value:.2f}" for value in one["figures"][by].values()) for by in columns),
            ]
        )
    return ["prompt", "measure", *columns], rows


def _measure(name: str) -> str:
    what, _, kind = name.rpartition(" ")
    return f"share with a {what}" if kind == "share" else f"{what} {kind} ratio"
