"""The network as ATen graphs: in eval mode, and in train mode for what only training runs."""
from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.fx.config
from torch import nn
from torch.export import ExportedProgram

from benchbase.errors import BenchError
from benchbase.nets.seeded import seeded

UNTOLD = "do_not_emit_stack_traces"  # a setting of torch.fx; one without it does not look at the name


def exported(model: nn.Module, example: Any) -> ExportedProgram:
    """`model` in eval mode as an ATen graph. The model is left as it was.

    Raises BenchError (not_applicable) where it cannot be exported, or does not even run: with the exporter's or its own reason.
    """
    try:
        with quiet(model), torch.no_grad():
            return _graph(model.eval(), example)
    except BenchError:
        raise
    except Exception as error:
        runs(model, example)
        raise BenchError(f"the network cannot be exported to a graph: {reason(error)}",
                         "make its forward free of data-dependent control flow, or exclude the model", kind="not_applicable") from error


def runs(model: nn.Module, example: Any) -> None:
    """Raise BenchError (not_applicable) where the model cannot take the example at all: most often images that are too small for it."""
    try:
        with quiet(model), torch.no_grad():
            model.eval()(*as_tuple(example))
    except Exception as error:
        shapes = " and ".join(str(tuple(t.shape)) for t in as_tuple(example) if isinstance(t, torch.Tensor))
        raise BenchError(f"the network does not run on inputs of shape {shapes}: {reason(error)}",
                         "use a data set whose images fit the model, or another model", kind="not_applicable") from error


def reason(error: Exception) -> str:
    """An exception in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}"


def exported_training(model: nn.Module, example: Any) -> ExportedProgram | None:
    """The same in train mode; None where that does not export (then the check of the cut network in train mode decides)."""
    try:
        with quiet(model):
            return _graph(model.train(), example)
    except Exception:  # noqa: BLE001 -- any failure of the exporter means the same
        return None


def _graph(model: nn.Module, example: Any) -> ExportedProgram:
    """Exported without a text of the call stack for every node, which nobody reads and which takes a seventh of the time."""
    before = getattr(torch.fx.config, UNTOLD, False)
    try:
        setattr(torch.fx.config, UNTOLD, True)
        return torch.export.export(model, as_tuple(example), strict=False)
    finally:
        setattr(torch.fx.config, UNTOLD, before)


def as_tuple(example: Any) -> tuple[Any, ...]:
    """The positional inputs of one call."""
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """A block after which the model's modes and all random generators are as before; the exporter's warnings and logs are not shown."""
    modes, logged = [(m, m.training) for m in model.modules()], logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings(), seeded(0):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logged)
        for module, training in modes:
            module.training = training
