"""A student's weights from its teacher, by the map from the student's modules to the teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.compress.remove_blocks.layouts import Student
from workbench.errors import RunError

if TYPE_CHECKING:
    import torch


def copy_weights(student: torch.nn.Module, teacher: torch.nn.Module, plan: Student, share: bool = False) -> int:
    """Gives the student the teacher's tensors by the plan's map and returns how many.

    Args:
        student: built from the plan's config; with ``share``, on the meta device.
        teacher: what it is cut from.
        plan: which tensor comes from which.
        share: no copies: the student's parameters are the teacher's own memory.

    Raises:
        RunError: a tensor has no counterpart of its shape.
    """
    weights = teacher.state_dict()
    taken = {}
    for name, tensor in student.state_dict().items():
        source = plan.teacher_name(name)
        if source not in weights or weights[source].shape != tensor.shape:
            shape = tuple(weights[source].shape) if source in weights else "nothing"
            raise RunError(f"{name} needs a tensor of shape {tuple(tensor.shape)}, {source} in the teacher is {shape}")
        taken[name] = weights[source]
    student.load_state_dict(taken, assign=share)
    return len(taken)
