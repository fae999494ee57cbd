"""A word that isn't known gets the nearest of those that are, written as the user has to write it."""

from __future__ import annotations

import pytest

from workbench.errors import did_you_mean, nearest, unknown

KNOWN = ("unet", "text_encoder", "vae_decoder")


@pytest.mark.parametrize(
    ("found", "meant"), [("unte", "; did you mean unet?"), ("decoder", "; did you mean vae_decoder?"), ("lstm", "")]
)
def test_the_nearest_word_is_offered_where_one_is_near(found, meant):
    assert did_you_mean(found, KNOWN) == meant


def test_what_stands_around_the_word_is_offered_with_it():
    assert did_you_mean("unte", KNOWN, before="run/", after="{}.x") == "; did you mean run/unet{}.x?"


def test_a_pattern_gets_the_nearest_however_far_but_of_nothing_none_is_near():
    assert nearest("q", ["abc", "qrstuvwxyz"]) is None
    assert nearest("q", ["abc", "qrstuvwxyz"], however_far=True) == "qrstuvwxyz"
    assert nearest("q", [], however_far=True) is None


def test_the_error_lists_all_that_is_known():
    error = unknown("--component unte: no such component", "unte", (name for name in KNOWN))
    assert str(error) == (
        "--component unte: no such component; did you mean unet?\n  hint: known: unet, text_encoder, vae_decoder"
    )
    assert error.exit_code == 2
