"""What settings are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    """A text with several values, as in the environment: by commas or spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        # Port 0 is another one each time.
        if values.count(value) > 1 and not value.endswith(":0"):
            raise ValueError(f"{value} is there twice")
    return values


REPEATED = (NoDecode, BeforeValidator(_split), AfterValidator(_distinct))
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SECONDS = "a number of seconds above 0"
