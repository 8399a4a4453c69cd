"""How a network is trained: every number of one training, as a value."""
from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from benchbase.errors import BenchError, unknown

SCHEDULES = ("multistep", "cosine", "onecycle")


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum on the cross-entropy.

    epochs: passes over the training split; 0 leaves the weights as they are.  lr: the peak learning rate.  nesterov: as in torch.
    schedule: "multistep" (lr x gamma at each milestone; no milestones: constant), "cosine" (to 0) or "onecycle" (linear up over
    `warmup`, then cosine to 0).  milestones, warmup: fractions of training, so that a scaled recipe keeps its shape.
    decay_norms: False spares parameters of one dimension (norms and biases) the weight decay.
    """

    epochs: int = 160
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    nesterov: bool = False
    schedule: str = "multistep"
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.0
    label_smoothing: float = 0.0
    decay_norms: bool = True

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _field(f.name, getattr(self, f.name), f.default))
        _check(self)

    def lr_at(self, progress: float) -> float:
        """The learning rate at `progress`, the fraction of all steps already taken (0 <= progress < 1)."""
        if self.warmup and progress < self.warmup:
            return self.lr * progress / self.warmup if progress else self.lr / 1000
        if self.schedule == "multistep":
            return self.lr * self.gamma ** sum(progress >= m for m in self.milestones)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))

    def scaled(self, factor: float) -> Recipe:
        """The same recipe over int(epochs x factor) epochs (at least one): the authors' rule for Scratch-B."""
        return replace(self, epochs=max(1, int(self.epochs * factor)) if self.epochs else 0)


def recipe_of(data: dict[str, Any], base: Recipe | None = None) -> Recipe:
    """`base` (default: Recipe()) with the fields that `data` (from YAML or flags) names. Raises BenchError for unknown fields and wrong values."""
    names = [f.name for f in fields(Recipe)]
    for key in data:
        if key not in names:
            raise unknown("recipe field", key, names)
    return replace(base or Recipe(), **data)


def _field(name: str, value: Any, default: Any) -> Any:
    """`value` in the type of its default: YAML reads 1e-4 as a string, and flags are all strings."""
    try:
        if isinstance(default, bool):
            if isinstance(value, bool):
                return value
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(default, tuple):
            items = value.split("/") if isinstance(value, str) else value
            return tuple(float(v) for v in items if v != "")
        if isinstance(default, int):
            if isinstance(value, float) and value != int(value):
                raise ValueError(value)
            return int(value)
        return type(default)(value)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise BenchError(f"recipe.{name} = {value!r} is not a {type(default).__name__}",
                         f"give it like the default, {name}={default!r}") from None


def _check(recipe: Recipe) -> None:
    def no(name: str, rule: str) -> BenchError:
        return BenchError(f"recipe.{name} = {getattr(recipe, name)!r} is out of range", f"it must be {rule}")

    if recipe.schedule not in SCHEDULES:
        raise unknown("schedule", recipe.schedule, SCHEDULES)
    if not 0 <= recipe.epochs <= 100_000:
        raise no("epochs", "between 0 and 100000")
    if not 1 <= recipe.batch_size <= 1_000_000:
        raise no("batch_size", "at least 1")
    for name in ("lr", "momentum", "weight_decay", "gamma"):
        if not (math.isfinite(getattr(recipe, name)) and getattr(recipe, name) >= 0):
            raise no(name, "a finite number, not negative")
    for name in ("warmup", "label_smoothing"):
        if not 0 <= getattr(recipe, name) < 1:
            raise no(name, "in [0, 1)")
    if any(not 0 < m <= 1 for m in recipe.milestones) or list(recipe.milestones) != sorted(recipe.milestones):
        raise no("milestones", "fractions of training in ascending order")
    if recipe.nesterov and not recipe.momentum:
        raise no("nesterov", "off where there is no momentum")
