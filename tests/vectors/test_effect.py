from vectors.effect import Effect, Figure


def test_figures_stand_beside_the_same_without_the_vector():
    effect = Effect.of({"success": 0.97, "success_unsteered": 0.02, "kept": 0.99, "images": 192})
    assert effect.figures == (Figure("success", 0.97, 0.02), Figure("kept", 0.99), Figure("images", 192))
    assert effect.sweeps == {}


def test_sweeps_are_by_strength_and_begin_without_the_vector_where_that_was_measured():
    effect = Effect.of(
        {"success_unsteered": 0.1, "success@1.5": 0.9, "success@0.5": 0.6, "kept@1": 0.9, "kept@-1": 1}
    )
    assert effect.sweeps == {
        "success": ((0.0, 0.1), (0.5, 0.6), (1.5, 0.9)),
        "kept": ((-1.0, 1), (1.0, 0.9)),
    }
    assert Effect.of({"success_unsteered": 0.1, "success@0": 0.2}).sweeps == {"success": ((0.0, 0.2),)}


def test_keys_of_another_form_are_figures_of_their_own():
    keys = ("success_unsteered", "share@beach", "share@nan", "share@", "@1", "")
    assert [figure.name for figure in Effect.of(dict.fromkeys(keys, 1.0)).figures] == list(keys)
