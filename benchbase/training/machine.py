"""Where and how precisely numbers are computed: the part of the machine that results depend on."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchbase.errors import BenchError, unknown
from benchbase.training.heap import keep_freed

if TYPE_CHECKING:
    import torch
    from torch import nn

PRECISIONS = ("fp32", "bf16")
FORMATS = ("auto", "channels_last", "contiguous")
WIDE = 256  # channels above which plain NCHW is faster


@dataclass(frozen=True)
class Machine:
    """device: "cpu", "cuda" or "cuda:i".  precision: "fp32", or "bf16" (autocast, weights stay fp32).  threads: of one operation.
    memory_format: "auto" (by the rule of `format_of`), "channels_last" or "contiguous".  deterministic: same bits on a GPU too.
    graphs: a GPU's forward and backward passes are recorded once and replayed; the same kernels, so that it enters no key.
    ranks: processes that train one network together; each has such a machine."""

    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 1
    memory_format: str = "auto"
    deterministic: bool = False
    graphs: bool = True
    ranks: int = 1

    def __post_init__(self) -> None:
        for what, value, known in (("precision", self.precision, PRECISIONS), ("memory format", self.memory_format, FORMATS)):
            if value not in known:
                raise unknown(what, value, known)
        if self.threads < 1:
            raise BenchError(f"{self.threads} threads compute nothing", "give at least one")

    @property
    def identity(self) -> list[Any]:
        """What enters keys: which of several equal GPUs ran does not."""
        alone = [self.device.split(":")[0], self.precision, self.threads, self.memory_format, self.deterministic]
        return alone if self.ranks == 1 else [*alone, self.ranks]

    @property
    def records(self) -> bool:
        """Whether passes of a training are replayed from a recording."""
        return self.graphs and self.device != "cpu" and self.ranks == 1

    def prepare(self) -> None:
        """Set torch's global switches to what this machine says: thread count, and on a GPU how cuDNN chooses its algorithms. fp32 there means
        all 24 bits: torch's default would let convolutions round their inputs to 11 (TF32). On a CPU, freed memory is kept."""
        import torch

        if self.device == "cpu":
            keep_freed()
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.benchmark = not self.deterministic
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(self.deterministic, warn_only=True)

    def autocast(self) -> AbstractContextManager[Any]:
        """The context that forward passes run in."""
        import torch

        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16)

    def format_of(self, model: nn.Module) -> torch.memory_format:
        """The memory format for `model`. The static rule: channels last where it wins, which on a CPU is in narrow networks
        (measured on one core, forward and backward: see benchmarks/speed/test_loop.py), and always with bf16 on a GPU."""
        import torch

        if self.memory_format != "auto":
            return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format
        widths = [m.out_channels for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
        if self.device != "cpu":
            last = self.precision == "bf16"
        else:
            last = bool(widths) and max(widths) <= WIDE
        return torch.channels_last if last else torch.contiguous_format

    @contextmanager
    def placed(self, model: nn.Module) -> Iterator[torch.memory_format]:
        """`model` on the device and in its memory format, in place; contiguous again afterwards, and still on the device."""
        import torch

        layout = self.format_of(model)
        model.to(self.device, memory_format=layout)  # type: ignore[call-overload]  # its stubs know either, not both
        try:
            yield layout
        finally:
            model.to(memory_format=torch.contiguous_format)


def machine_of(device: str = "auto", precision: str = "auto", threads: int = 1, deterministic: bool = False) -> Machine:
    """The Machine that flags say. "auto": the first GPU if there is one, else the CPU; bf16 on a GPU that computes it, else fp32.

    Raises BenchError for a device that is not there.
    """
    import torch

    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (kind == "cuda" and index.isdecimal())):
        raise BenchError(f"unknown device {device!r}", "use auto, cpu, cuda or cuda:0, cuda:1, ...")
    gpus = torch.cuda.device_count() if kind != "cpu" and torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= gpus:
        raise BenchError(f"device {device} asked for, and {gpus} CUDA devices are here", "use --device cpu, or see `bench doctor`")
    chosen = "cuda" if kind == "auto" and gpus else "cpu" if kind == "auto" else device
    if precision == "auto":
        precision = "bf16" if chosen != "cpu" and torch.cuda.is_bf16_supported() else "fp32"
    return Machine(chosen, precision, threads, deterministic=deterministic)
