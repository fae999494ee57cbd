"""Published figures, as a recipe gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from workbench.metrics.registry import by_picture
from workbench.strict import Strict

if TYPE_CHECKING:
    Compared = str
else:
    Compared = Literal[tuple(by_picture())]


class Published(Strict):
    """One published table, or a part of it: a score for each of some candidates. Only the order is compared."""

    title: str = Field(min_length=1, description="Heads the table in the report, such as Table 3, four steps.")
    source: str = Field(min_length=1, description="Where the figures were published, such as arXiv 2404.11925.")
    score: str = Field(min_length=1, description="What the published score is called there, such as CLIP.")
    metric: Compared = Field(by_picture()[0], description="Our score that stands beside it.")
    better: Literal["high", "low"] = Field("high", description="Which end of the published score is the better one.")
    values: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        description="At least two candidates, named as the report names them (NAME-4steps), each with its figure.",
        json_schema_extra={"minProperties": 2},
    )

    @field_validator("values")
    @classmethod
    def _an_order(cls, values: dict[str, float]) -> dict[str, float]:
        if len(values) < 2:
            raise ValueError("needs at least two candidates, since their order is what is compared")
        return values
