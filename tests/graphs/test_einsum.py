"""An einsum costs what PyTorch's own counter sees when PyTorch runs it."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from workbench.graphs.einsum import einsum_macs


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bij , cd , bjc -> bid", [(2, 3, 4), (5, 6), (2, 4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("...ij,...jk->...ik", [(7, 3, 4), (7, 4, 5)]),
        ("...i,ij->...j", [(2, 7, 3), (3, 4)]),
        ("ij,ij->ij", [(3, 4), (3, 4)]),
        ("i,j->ij", [(3,), (4,)]),
        ("ik,jl->ij", [(3, 4), (5, 6)]),
        ("ijk,jl->il", [(3, 4, 5), (4, 6)]),
        ("ii->i", [(3, 3)]),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 6)]),
    ],
)
def test_as_pytorch_counts(equation, shapes):
    with FlopCounterMode(display=False) as theirs:
        torch.einsum(equation, *(torch.zeros(shape) for shape in shapes))
    assert sum(einsum_macs(equation, shapes, [False] * len(shapes))) * 2 == theirs.get_total_flops()


def test_products_with_a_weight_and_of_activations_are_distinguished():
    shapes = [(2, 3, 4), (4, 5), (2, 3, 5)]
    assert einsum_macs("bij,jk,bik->bi", shapes, [False, True, False]) == (2 * 3 * 4 * 5, 2 * 3 * 5)


def test_an_equation_that_does_not_fit_is_no_number():
    with pytest.raises(IndexError):
        einsum_macs("ij,jk->ik", [(3, 4)], [False])
    with pytest.raises(IndexError):
        einsum_macs("ijk->i", [(3, 4)], [False])
