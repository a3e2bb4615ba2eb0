"""The JSON schema of a schedule, derived from the tables of kinds and frameworks: what compiles is what is
documented.
"""

from __future__ import annotations

from typing import Any, Final

from trackside_service.schedules import FRAMEWORKS, KINDS, ClassSpec, FrameworkSpec, KindSpec, Param

_REF: Final = "#/components/schemas/"
_BESIDE: Final[dict[str, Any]] = {
    "unit": {
        "anyOf": [{"enum": ["step", "epoch"]}, {"type": "null"}],
        "description": "What one scheduler.step() is: an optimizer update or an epoch.",
    },
    "steps_per_epoch": {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
        "description": "Optimizer updates in one epoch; the run's, if that says so too, is the same.",
    },
    "reporting": {"$ref": _REF + "Reporting", "description": "How the log counts; found where it is left out."},
    "metric": {
        "anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "null"}],
        "description": "Of a schedule that follows a metric (ReduceLROnPlateau): which of the run's it is given. Left "
        "out: val_acc where more is better, else val_loss; no alarm where another reported one explains the LR.",
    },
}


def schedule_schema() -> dict[str, Any]:
    """Return the components `Schedule`, `Reporting` and one for each kind and each framework."""
    components: dict[str, Any] = {"Reporting": _reporting()}
    names: list[str] = []
    for framework in FRAMEWORKS:
        name = f"{framework.framework.capitalize()}Schedule"
        components[name] = _framework(framework)
        names.append(name)
    for kind in KINDS:
        name = f"{kind.kind.capitalize()}Kind"
        components[name] = _kind(kind)
        names.append(name)
    components["Schedule"] = {
        "description": "In the framework's own words (`framework`, `class`, `params`), or a canonical `kind`.",
        "type": "object",
        "anyOf": [{"$ref": _REF + name} for name in names],
    }
    return components


def _reporting() -> dict[str, Any]:
    def one_of(description: str, *values: str | int | bool) -> dict[str, Any]:
        return {"enum": [*values, None], "description": description}

    return {
        "description": "How the log counts and when the LR was read; found by itself where it is left out.",
        "anyOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "when": one_of(
                        "The LR was read before the scheduler's step (in use), or after it.", "in_use", "after_step"
                    ),
                    "at": one_of("It was read at the start of the epoch, or at its end.", "start", "end"),
                    "step_base": one_of("The number of the first step in the log.", 0, 1),
                    "epoch_base": one_of("The number of the first epoch in the log.", 0, 1),
                    "exact": one_of(
                        "The LRs are sent as they are in use, not as printed: 0.001 is the number itself.", True, False
                    ),
                },
            },
            {"type": "null"},
        ],
    }


def _framework(framework: FrameworkSpec) -> dict[str, Any]:
    return {
        "description": f"A scheduler of {framework.title} (verified with {framework.version}). {framework.base_lr}",
        "type": "object",
        "additionalProperties": False,
        "required": ["framework", "class", "unit"],
        "properties": {
            "framework": {"const": framework.framework},
            "class": {"enum": [each.name for each in framework.classes], "description": "Its class, by its own name."},
            "params": {
                "type": "object",
                "description": "The constructor's parameters under their own names. "
                + " ".join(map(_of_class, framework.classes)),
            },
            "base_lr": {
                "anyOf": [
                    {"type": "number", "minimum": 0},
                    {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1},
                ],
                "description": "The optimizer's learning rate: one number, or one a parameter group.",
            },
            **_BESIDE,
        },
    }


def _of_class(each: ClassSpec) -> str:
    names = ", ".join(f"{param.name}" if param.required else f"{param.name}?" for param in each.params)
    return f"{each.name}({names})."


def _kind(kind: KindSpec) -> dict[str, Any]:
    required = ["kind", *(param.name for param in kind.params if param.required)]
    return {
        "description": f"{kind.description} {kind.formula}",
        "type": "object",
        "additionalProperties": False,
        "required": [*required, "unit"] if kind.needs_unit else required,
        "properties": {"kind": {"const": kind.kind}, **{param.name: _param(param) for param in kind.params}, **_BESIDE},
    }


def _param(param: Param) -> dict[str, Any]:
    schema: dict[str, Any]
    if param.type in ("number", "integer"):
        schema = {"type": param.type}
        if param.minimum is not None:
            schema["exclusiveMinimum" if param.exclusive else "minimum"] = param.minimum
        if param.maximum is not None:
            schema["maximum"] = param.maximum
    elif param.type == "boolean":
        schema = {"type": "boolean"}
    elif param.type == "choice":
        schema = {"enum": list(param.choices)}
    elif param.type == "table":
        schema = {"type": "array", "items": {"type": "number"}}
    elif param.type == "phases":
        schema = {"type": "array", "items": {"type": "object"}}
    elif param.type == "schedule":
        schema = {"type": "object"}
    else:
        schema = {}
    if param.per_group:
        schema = {"anyOf": [schema, {"type": "array", "items": schema}]}
    if param.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "description": param.doc} if param.doc else schema
