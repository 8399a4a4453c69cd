"""The network as ATen graphs: in eval mode, and in train mode for what only training runs."""
from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from benchbase.errors import BenchError
from benchbase.nets.seeded import seeded


def exported(model: nn.Module, example: Any) -> ExportedProgram:
    """`model` in eval mode as an ATen graph. The model is left as it was.

    Raises BenchError (not_applicable) with the exporter's own reason where it cannot be exported.
    """
    try:
        with quiet(model), torch.no_grad():
            return torch.export.export(model.eval(), as_tuple(example), strict=False)
    except BenchError:
        raise
    except Exception as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise BenchError(f"the network cannot be exported to a graph: {type(error).__name__}: {first[:300]}",
                         "make its forward free of data-dependent control flow, or exclude the model", kind="not_applicable") from error


def exported_training(model: nn.Module, example: Any) -> ExportedProgram | None:
    """The same in train mode; None where that does not export (then the check of the cut network in train mode decides)."""
    try:
        with quiet(model):
            return torch.export.export(model.train(), as_tuple(example), strict=False)
    except Exception:  # noqa: BLE001 -- any failure of the exporter means the same
        return None


def as_tuple(example: Any) -> tuple[Any, ...]:
    """The positional inputs of one call."""
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """A block after which the model's modes and all random generators are as before; the exporter's warnings are not shown."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        with warnings.catch_warnings(), seeded(0):
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, training in modes:
            module.training = training
