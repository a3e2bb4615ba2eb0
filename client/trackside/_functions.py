"""Schedule functions of the user's own, which are asked beforehand for the rates that the training will ask them for.

The training must not notice. One that counts its calls, takes from an iterator, draws at random or writes somewhere
would go on from where the asking left it, so it is not asked; nor is one that reads the rate in use, which is to come.
What a function does is seen in its code; that of a library that only computes is not looked into.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import types
from collections.abc import Iterator
from typing import Any, Callable

_WRITES = frozenset(
    ("STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_GLOBAL", "DELETE_GLOBAL")
)
_CHANGES = frozenset(
    (  # an iterator, a container, a generator of random numbers, variables, and who is told
        *("next", "send", "append", "appendleft", "extend", "insert", "pop", "popleft"),
        *("popitem", "remove", "clear", "update", "setdefault", "add", "setattr"),
        *("random", "randint", "randrange", "rand", "randn", "uniform", "normal"),
        *("gauss", "choice", "sample", "shuffle", "seed", "manual_seed"),
        *("assign", "assign_add", "set_value", "summary", "add_scalar", "log_metric", "log_metrics"),
        *("write", "open", "input", "info", "debug", "warning"),
    )
)
_TELLS = frozenset(("logging", "random", "secrets", "subprocess", "wandb", "mlflow", "aim", "clearml", "trackside"))
_COMPUTES = frozenset(("math", "cmath", "bisect", "builtins", "numpy", "torch", "paddle", "keras", "tensorflow", "jax"))
_TRAINED = frozenset(("Module", "Layer", "Optimizer"))
_RATES = frozenset(("optimizer", "param_groups", "learning_rate", "lr", "get_lr", "iterations"))
_MOST = 50  # functions that are looked at


def separate(function: Any) -> Any:
    """Return a function that may be asked without being noticed, and prints nothing. Any but Python's own plain
    functions and methods is returned as it is. Raises `ValueError` with the reason.
    """
    plain = function.func if isinstance(function, functools.partial) else function
    bound = plain.__self__ if isinstance(plain, types.MethodType) else None
    plain = plain.__func__ if isinstance(plain, types.MethodType) else plain
    if not isinstance(plain, types.FunctionType):
        return function
    found = _noticed(plain)
    if found is not None:
        raise ValueError(
            f"the schedule's function {plain.__name__} would notice that it is asked beforehand (it has to do with "
            f"{found!r}); pass its rates as schedule=trackside.schedules.table([...], unit=...)"
        )
    if plain is not function and bound is None:
        return function
    quiet = types.FunctionType(
        plain.__code__, {**plain.__globals__, "print": _quiet}, plain.__name__, plain.__defaults__, plain.__closure__
    )
    quiet.__kwdefaults__ = plain.__kwdefaults__
    return quiet if bound is None else types.MethodType(quiet, bound)


def _quiet(*_: Any, **__: Any) -> None:
    """In the place of `print`."""


def _noticed(function: types.FunctionType) -> str | None:
    """The name of what a call changes, or takes from; None where nothing is found."""
    seen: set[types.CodeType] = set()
    left: list[Callable[..., Any]] = [function]
    while left and len(seen) < _MOST:
        each = left.pop()
        if not isinstance(each, types.FunctionType) or each.__code__ in seen:
            continue
        seen.add(each.__code__)
        names: set[str] = set()
        loaded: set[str] = set()
        for code in _codes(each.__code__):
            names.update(code.co_names)
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    loaded.add(step.argval)
                inner = step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in each.__code__.co_freevars
                if inner or step.opname in _WRITES:
                    return str(step.argval if step.argval is not None else "an item")
        changed = sorted(names & _CHANGES)
        if changed:
            return changed[0]
        for name, value in _reached(each, loaded):
            if hasattr(type(value), "__next__"):
                return name
            if names & _RATES and any(base.__name__ in _TRAINED for base in type(value).__mro__):
                return name  # what it reads there is as it is now, and not as it will be
            if isinstance(value, types.ModuleType):
                package = value.__name__.partition(".")[0]
                if package in _TELLS:
                    return name
                if package not in _COMPUTES:
                    left += [vars(value)[known] for known in names if known in vars(value)]
            elif isinstance(value, types.FunctionType):
                if (value.__module__ or "").partition(".")[0] not in _COMPUTES:
                    left.append(value)
            elif not isinstance(value, type):
                left += [vars(type(value))[known] for known in (*names, "__call__") if known in vars(type(value))]
    return None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of the functions that are made in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _codes(each)


def _reached(function: types.FunctionType, loaded: set[str]) -> Iterator[tuple[str, Any]]:
    """What a function is given besides its arguments."""
    for name in sorted(loaded):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        with contextlib.suppress(ValueError):  # not filled yet
            yield name, cell.cell_contents
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield function.__name__, value
