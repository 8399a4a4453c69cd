"""A network as a file that runs without its Python code: ONNX, or torch.export's .pt2, each held against the network before it is kept."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.errors import BenchError, unknown
from benchbase.nets.exported import as_tuple, quiet, reason, runs
from benchbase.nets.net import private_copy

TOLERANCE = 1e-4  # of the largest output
CHECKED = (2, 5)  # images in the batches that are tried; only the first where a batch has one size
Runner = Callable[[Sequence[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Written:
    """A file that agrees with the network. difference: the largest of any output on random inputs, scale: the largest output.
    batch: images that it takes at once, None for any number."""

    path: Path
    difference: float
    scale: float
    batch: int | None

    @property
    def relative(self) -> float:
        """The largest difference, in units of the largest output."""
        return self.difference / self.scale if self.scale else self.difference


def export(model: nn.Module, example: Any, path: str | Path, kind: str = "onnx") -> Written:
    """Write `model`, in eval mode, as ONNX (kind "onnx", run by onnxruntime) or as a program of torch.export ("torch-export"), read it
    back, and compare it with the network on random inputs of two batch sizes.

    example: one input batch (n, ...) with n >= 2, or a tuple of them.  The model is left as it is; the file is there whole or not at all.
    Raises BenchError where a package is missing, the network cannot be exported, the file cannot be written, or an output differs by
    more than 1e-4 of the largest one: then there is no file.
    """
    if kind not in KINDS:
        raise unknown("format", kind, KINDS)
    path, copy = Path(path), private_copy(model).cpu().eval()
    inputs = pytree.tree_map_only(Tensor, lambda t: t.detach().cpu(), as_tuple(example))
    if not all(isinstance(t, Tensor) and t.dim() and len(t) >= 2 for t in inputs):
        raise BenchError("the example is no batch of two or more images", "give tensors (n, ...) with n >= 2")
    runs(copy, inputs)
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with quiet(copy), torch.no_grad():
            program = _program(copy, inputs)
            batch = _batch(program)
            try:
                KINDS[kind](program, inputs, aside)
                difference, scale = _compared(copy, READERS[kind](aside), inputs, CHECKED if batch is None else (batch,))
            except (BenchError, OSError):
                raise
            except Exception as error:
                raise BenchError(f"the network cannot be written as {kind}: {reason(error)}", "take another format",
                                 kind="not_applicable") from error
        written = Written(path, difference, scale, batch)
        if not written.relative <= TOLERANCE:
            raise BenchError(f"the {kind} file says {difference:.2e} other than the network, whose largest output is {scale:.2e}: more than "
                             f"{TOLERANCE:g} of it", "take another format; no file was written", kind="not_applicable")
        os.replace(aside, path)
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror or error}", "give a file that can be written") from None
    finally:
        aside.unlink(missing_ok=True)
    return written


def _program(model: nn.Module, inputs: tuple[Any, ...]) -> torch.export.ExportedProgram:
    """The network as a graph, for batches of any size where its code allows that."""
    try:
        model(*_noise(inputs, CHECKED[1], torch.Generator()))
        sizes = tuple({0: torch.export.Dim.AUTO} for _ in inputs)
    except Exception:  # noqa: BLE001 -- whatever it is, this size does not do
        sizes = None
    try:
        return torch.export.export(model, inputs, dynamic_shapes=sizes, strict=False)
    except Exception as error:
        raise BenchError(f"the network cannot be exported to a graph: {reason(error)}",
                         "make its forward free of data-dependent control flow", kind="not_applicable") from error


def _batch(program: torch.export.ExportedProgram) -> int | None:
    """How many images the graph takes at once; None: any number."""
    names = set(program.graph_signature.user_inputs)
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    size = next(shape[0] for shape in shapes if len(shape))
    return size if isinstance(size, int) else None


def _write_onnx(program: torch.export.ExportedProgram, inputs: tuple[Any, ...], path: Path) -> None:
    _need("onnx", "onnxscript", "onnxruntime")
    named: dict[str, Any] = {"input_names": ["images"]} if len(inputs) == 1 else {}
    sizes: dict[str, Any] = {} if _batch(program) is not None else {"dynamic_shapes": tuple({0: "batch"} for _ in inputs)}
    outputs: dict[str, Any] = {"output_names": ["logits"]} if len(program.graph_signature.user_outputs) == 1 else {}
    made: Any = torch.onnx.export(program, (), dynamo=True, verbose=False, **named, **outputs, **sizes)
    made.save(str(path), external_data=False)


def _read_onnx(path: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return lambda batch: [torch.from_numpy(out) for out in session.run(None, {n: t.numpy() for n, t in zip(names, batch)})]


def _write_program(program: torch.export.ExportedProgram, inputs: tuple[Any, ...], path: Path) -> None:
    with path.open("wb") as file:  # by name it insists on the suffix
        torch.export.save(program, file)


def _read_program(path: Path) -> Runner:
    with path.open("rb") as file:
        module = torch.export.load(file).module()
    return lambda batch: _tensors(module(*batch))


KINDS: dict[str, Callable[[torch.export.ExportedProgram, tuple[Any, ...], Path], None]] = {"onnx": _write_onnx, "torch-export": _write_program}
READERS: dict[str, Callable[[Path], Runner]] = {"onnx": _read_onnx, "torch-export": _read_program}


def _compared(model: nn.Module, run: Runner, inputs: tuple[Any, ...], sizes: Sequence[int]) -> tuple[float, float]:
    """(the largest difference, the largest output) over batches of noise of these sizes."""
    chance, difference, scale = torch.Generator().manual_seed(0), 0.0, 0.0
    for size in sizes:
        batch = _noise(inputs, size, chance)
        for ours, theirs in zip(_tensors(model(*batch)), run(batch), strict=True):
            if ours.shape != theirs.shape:
                return float("inf"), scale
            difference = max(difference, float((ours.double() - theirs.double()).abs().max()))
            scale = max(scale, float(ours.abs().max()))
    return difference, scale


def _noise(inputs: tuple[Any, ...], size: int, chance: torch.Generator) -> tuple[Tensor, ...]:
    """A batch like the example, of noise; what is no image stays."""
    return tuple(torch.randn((size, *t.shape[1:]), generator=chance).to(t.dtype) if t.is_floating_point()
                 else t[:1].repeat(size, *[1] * (t.dim() - 1)) for t in inputs)


def _tensors(output: Any) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(output) if isinstance(t, Tensor)]


def _need(*packages: str) -> None:
    """Raise BenchError naming the first of these packages that is not installed."""
    for name in packages:
        if find_spec(name) is None:
            raise BenchError(f"ONNX needs {name}, which is not installed", "pip install 'benchbase[onnx]', or take the format torch-export")
