"""Writes the schedules' pages as one document: `python -m trackside_service.schedules.pages > docs/schedules.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trackside_service.schedules import (
    FRAMEWORKS,
    KINDS,
    MAX_DEPTH,
    MAX_GROUPS,
    MAX_PHASES,
    MAX_SCHEDULERS,
    MAX_TABLE,
    ClassSpec,
    FrameworkSpec,
    KindSpec,
    Param,
)

_INTRODUCTION = f"""\
# The schedules

Every scheduler that Trackside can follow: what it computes, what its parameters mean, what happens past its
end, how it differs from others of the same name, and what people get wrong. Generated from the classes' own
entries; the values are tested against the real libraries.

A schedule is declared in its framework's own words, as it stands in the training script:

```json
{{"framework": "torch", "class": "OneCycleLR", "params": {{"max_lr": 0.01, "total_steps": 3000}}, "base_lr": 0.1,
 "unit": "step", "steps_per_epoch": 100}}
```

A **tick** is one call of `scheduler.step()`, and t counts the ticks so far: the first update runs at t = 0.
`unit` says what a tick is, an optimizer update (`"step"`) or an epoch (`"epoch"`). Every length below counts
ticks, whatever its name says. A scheduler inside another one is `{{"class", "params"}}` in its place; at most
{MAX_DEPTH} deep, {MAX_PHASES} members,
{MAX_SCHEDULERS} schedulers in all, {MAX_GROUPS:,} parameter groups. A scheduler whose LRs are a function
(LambdaLR and kin) cannot be declared: the client sends a `table` of at most {MAX_TABLE:,} values, read off the
live scheduler. One that a metric drives is replayed from the metric, one value a tick.

## What people get wrong

- **The tick.** A scheduler built for batches and stepped per epoch hardly moves; built for epochs and stepped
  per batch it is through within the first epoch.
- **OneCycle's end.** PyTorch's last LR is the initial LR / final_div_factor, that is max_lr / div_factor /
  final_div_factor, not max_lr / final_div_factor. Paddle's is an LR of its own, 1e-4 by default.
- **Warm restarts start at the maximum.** There is no warm-up in them, and each restart is a jump up.
- **A warm-up of one tick is a jump.** A ramp has as many values as ticks.
- **A cosine past its end rebounds** in PyTorch, Paddle and transformers; in Keras and timm it stays at the
  minimum.
- **The total and the warm-up.** Hugging Face's num_training_steps includes the warm-up, as timm's t_initial
  does unless warmup_prefix is set; Keras' decay_steps, timm's WSD and the T_max inside a SequentialLR do not.
- **A minimum is an LR or a share.** eta_min, lr_min and end_lr are LRs, the same for every group; alpha,
  min_lr_rate and min_lr_ratio are shares.

## Same name, different meaning

| what | how they differ |
|---|---|
| the last LR of OneCycleLR | torch: max_lr/div_factor/final_div_factor; Paddle: end_learning_rate |
| a cosine past the end | torch, Paddle, transformers: rebounds; Keras, timm: stays; cosine_with_restarts: 0 |
| the tick of a milestone | torch, Paddle: new LR at t = m; Keras: at m + 1; timm: at m - 1 |
| a warm-up at t = 0 | transformers: 0; Paddle, timm, Keras: its start; torch's LinearLR: above 0 |
| the clock after a warm-up | begins anew; timm's cosine, poly and tanh: has run since t = 0 unless warmup_prefix |
| the end of a polynomial | torch: 0; Paddle, Keras: 1e-4; transformers: 1e-7; timm: lr_min |
| warm restarts' minimum | torch, Paddle, Keras: never quite reached, the last tick of a cycle is one short of it |
| the rest after a plateau | torch: the best value is still updated; Paddle: the metric is not looked at |

"""


def document() -> str:
    """Return docs/schedules.md."""
    parts = [_INTRODUCTION, *map(_framework, FRAMEWORKS)]
    parts.append(
        "## Canonical kinds\n\nWhat all of the above become, in absolute LRs. They can be declared directly, flat: "
        '`{"kind": "constant", "lr": 0.0003}`, the others with `unit` (and `steps_per_epoch`, `reporting`; '
        "`metric`, the name of what drives a plateau) beside their parameters.\n\n"
    )
    parts += [_kind(kind) for kind in KINDS]
    return "".join(parts).rstrip("\n") + "\n"


def _framework(spec: FrameworkSpec) -> str:
    listed = (*spec.classes, *spec.named)
    index = ", ".join(f"[{each.name}](#{_anchor(spec, each)})" for each in listed)
    head = f"## {spec.title}\n\nVerified with {spec.version}. {spec.base_lr}\n\n{index}\n\n"
    return head + "".join(_class(spec, each) for each in listed)


def _title(framework: FrameworkSpec, spec: ClassSpec) -> str:
    if spec in framework.named:
        return f'{framework.framework}: "{spec.name}"'
    return f"{framework.framework}: {spec.name}"


def _anchor(framework: FrameworkSpec, spec: ClassSpec) -> str:
    kept = (sign for sign in _title(framework, spec).lower() if sign.isalnum() or sign in " _-")
    return "".join(kept).replace(" ", "-")


def _class(framework: FrameworkSpec, spec: ClassSpec) -> str:
    lines = [f"### {_title(framework, spec)}\n", f"{spec.description}\n", f"```text\n{spec.formula}\n```\n"]
    lines += [_table(spec.params), f"Past the end: {_small(spec.past_the_end)}\n"]
    if spec.pitfall:
        lines.append(f"Mind: {spec.pitfall}\n")
    if spec.namesakes:
        lines.append(f"Others: {spec.namesakes}\n")
    return "\n".join(line for line in lines if line) + "\n"


def _kind(spec: KindSpec) -> str:
    return f"### {spec.kind}\n\n{spec.description}\n\n```text\n{spec.formula}\n```\n\n{_table(spec.params)}\n"


def _table(params: Sequence[Param]) -> str:
    if not params:
        return ""
    rows = "".join(f"| `{param.name}` | {_default(param)} | {_cell(param)} |\n" for param in params)
    return f"| parameter | default | meaning |\n|---|---|---|\n{rows}"


def _default(param: Param) -> str:
    if param.required:
        return "required"
    if isinstance(param.default, float):
        return f"{param.default:.4g}"
    return (
        "none"
        if param.default is None
        else str(param.default).lower()
        if param.type == "boolean"
        else str(param.default)
    )


def _cell(param: Param) -> str:
    choices = f" ({', '.join(param.choices)})" if param.choices and param.name != "name" else ""
    only = f"; other values are not supported: {param.fixed}" if param.fixed else ""
    return (param.doc + choices + only).replace("|", "\\|")


def _small(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


if __name__ == "__main__":
    sys.stdout.write(document())
