"""Chips: each with its number and who says so; an unknown one is told with the nearest."""

from __future__ import annotations

import pytest

from workbench.errors import InputError
from workbench.npu.socs import DEFAULT, soc, socs


def test_the_chips_of_five_generations_of_phones_have_their_numbers():
    """As Qualcomm's own code in ExecuTorch and LiteRT has them."""
    named = {name: (one.soc_model, one.htp_arch) for name, one in socs().items()}
    assert named["SM8550"] == (43, 73) and named["SM8650"] == (57, 75) and named["SM8750"] == (69, 79)
    assert len({one.soc_model for one in socs().values()}) == len(socs())
    assert all(
        one.sources and all(".com" not in source and "/" in source for source in one.sources) for one in socs().values()
    )


def test_a_chip_is_found_in_small_letters_too():
    assert soc("sm8650") is soc(DEFAULT)
    assert str(soc(DEFAULT)) == "SM8650 (Snapdragon 8 Gen 3, HTP v75)"


def test_an_unknown_chip_is_told_with_the_nearest_and_all():
    with pytest.raises(InputError, match=r"--soc sm8560: no such chip; did you mean SM8\d50\?") as told:
        soc("sm8560")
    assert all(name in (told.value.hint or "") for name in socs())
