"""torch's schedulers whose LRs are a function of the user's: known, and refused with what to send instead."""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, ClassSpec, of_function
from trackside_service.schedules.params import Param

FUNCTIONS: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="LambdaLR",
        description="base_lr times a function of the tick.",
        formula="base_lr * lr_lambda(t)",
        params=(Param("lr_lambda", "any", "a function, or one a group", default=None), LAST_EPOCH),
        build=of_function,
        past_the_end="As the function says.",
        pitfall="The function gives a factor, not an LR. It cannot be declared: the client sends a table.",
        namesakes="MultiplicativeLR multiplies the LR before it; LambdaLR always base_lr.",
    ),
    ClassSpec(
        name="MultiplicativeLR",
        description="The LR is multiplied by a function of the tick, again and again.",
        formula="base_lr * lr_lambda(1) * lr_lambda(2) * ... * lr_lambda(t)",
        params=(Param("lr_lambda", "any", "a function, or one a group", default=None), LAST_EPOCH),
        build=of_function,
        past_the_end="As the function says.",
        pitfall="lr_lambda(0) is never asked for. It cannot be declared: the client sends a table.",
    ),
)
