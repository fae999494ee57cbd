"""Model families, each a module or package here that has a ``FAMILY``; nothing else names a family's components.

To add one: a module in this folder with parts (``base.Part``) and ``FAMILY = Family(…)``; layouts, policies and
architectures that are published on it lie beside it, in modules of these names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from workbench.errors import InputError, unknown
from workbench.models.families.base import Config, Family, Part
from workbench.models.families.policy import PolicySet
from workbench.models.read_json import read_object
from workbench.models.weights import Shape

INDEX = "model_index.json"


@cache
def families() -> tuple[Family, ...]:
    """All families, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    candidates = (getattr(importlib.import_module(f"{__name__}.{name}"), "FAMILY", None) for name in names)
    return tuple(family for family in candidates if family is not None)


def family_in(index: Mapping[str, Any]) -> Family | None:
    """The family of most of the components that a ``model_index.json`` lists; None where it lists none of any."""
    classes = {name: str(value[-1]) for name, value in index.items() if isinstance(value, list) and value}
    nearest = max(families(), key=lambda family: family.matches(classes))
    return nearest if nearest.matches(classes) else None


def family_of(folder: Path) -> Family:
    """The family of the pipeline in ``folder``.

    Raises:
        InputError: its ``model_index.json`` can't be read, or lists no family's components.
    """
    family = family_in(read_object(folder / INDEX))
    if family is None:
        raise InputError(f"{folder / INDEX}: {of_no_family()}")
    return family


def of_no_family() -> str:
    """What is wrong with an index that lists no family's components."""
    known = (f"{f.label} ({', '.join(f'{p.folder}: {p.cls}' for p in f.parts)})" for f in families())
    return f"lists the components of no known family; needs those of {' or '.join(known)}"


def architectures() -> dict[str, Family]:
    """The names of all published architectures, with the family of each."""
    return {name: family for family in families() for name in family.architectures}


def architecture(name: str) -> tuple[Family, dict[str, Config]]:
    """The family of a published architecture and the configs of its components by name.

    Raises:
        InputError: no family has one of that name.
    """
    known = architectures()
    if name not in known:
        raise unknown(f"architecture {name!r} is not known", name, known)
    return known[name], dict(known[name].architectures[name])


def parts() -> dict[str, Part]:
    """The components of all families by name, in order; one that several families have is the first one's."""
    return {part.name: part for family in reversed(families()) for part in reversed(family.parts)}


def component_names() -> tuple[str, ...]:
    """The names of all families' components, in order."""
    return tuple(dict.fromkeys(name for family in families() for name in family.names))


def component_label(component: str) -> str:
    """A component as readers know it; its name where no family has it."""
    known = parts().get(component)
    return known.label if known else component


def denoisers() -> frozenset[str]:
    """Names of the components that are some family's denoiser."""
    return frozenset(family.denoiser.name for family in families())


def denoiser_shapes(config: Mapping[str, Any]) -> Mapping[str, Shape]:
    """The shapes of the tensors of the denoiser with this config, by name; none where no family knows its class."""
    for part in (family.denoiser for family in families()):
        schema = part.schema(dict(config))
        if schema and config.get("_class_name", part.cls) in part.classes:  # a config by hand need not name a class
            return schema.model_validate(config).tensors()
    return {}


def modules(kind: Literal["layouts", "policies", "architectures"]) -> frozenset[str]:
    """The modules of all families that hold what is published, for the keys of results that depend on it."""
    return frozenset(name for family in families() if (name := family.module(kind)))


def layouts() -> dict[str, tuple[str, ...]]:
    """The layouts of all families by name."""
    return {name: blocks for family in families() for name, blocks in family.layouts.items()}


def policies() -> dict[str, PolicySet]:
    """The policies of all families by name."""
    return {name: policy for family in families() for name, policy in family.policies.items()}
