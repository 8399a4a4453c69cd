"""Trainings for tests/training/test_ranks.py: run by one process they are the reference, run by torchrun they are what is tested."""
from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed, nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.method import Callback
from benchbase.training.data import load
from benchbase.training.dataset import Dataset
from benchbase.training.loop import Checkpoints, train_
from benchbase.training.machine import Machine
from benchbase.training.ranks import leave, meet
from benchbase.training.seeds import Seeds
from benchbase.training.state import State
from benchbase.values.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_size=32, lr=0.05, momentum=0.9, nesterov=True, label_smoothing=0.1, schedule="onecycle", warmup=0.3)


@dataclass(frozen=True)
class Noise(Dataset):
    """Noise, brighter by class."""

    train: int

    name, num_classes, shape = "noise", 4, (2, 6, 6)

    def load(self, root: Path, split: str):
        generator = torch.Generator().manual_seed(len(split))
        labels = torch.randint(0, 4, (self.train,), generator=generator)
        images = torch.randint(0, 90, (self.train, 2, 6, 6), generator=generator) + 50 * labels.view(-1, 1, 1, 1)
        return images.to(torch.uint8), labels


class Net(nn.Module):
    """Norms of both kinds, one of them averaging over all batches, one without weights; a layer that nothing uses."""

    def __init__(self, drop: float = 0.0, norm: bool = True) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.wide, self.plain = nn.Conv2d(6, 8, 3, bias=False), nn.BatchNorm2d(8, affine=False)
        self.head, self.last, self.unused = nn.Linear(8, 5), nn.BatchNorm1d(5, momentum=None) if norm else nn.Identity(), nn.Linear(3, 3)
        self.out, self.drop = nn.Linear(5, 4), nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(functional.relu(self.norm(self.conv(x))))
        x = functional.relu(self.plain(self.wide(x))).mean((2, 3))
        logits: Tensor = self.out(functional.relu(self.last(self.head(x))))
        return logits


class Shrink(Callback):
    """Sparsity by a penalty on the scales, the same in every rank."""

    def after_backward(self, model):
        model.norm.weight.grad.add_(model.norm.weight.sign(), alpha=1e-3)


class Apart(Callback):
    """Moves weights by what it sees of its own part of the batches."""

    def start(self, net):
        self.mean = 0.0
        net.model.norm.register_forward_hook(self.look)

    def look(self, module, args, out):
        self.mean = float(out.detach().std())

    def after_step(self, model):
        with torch.no_grad():
            model.norm.bias.add_(self.mean)


@dataclass
class Whole:
    """What a callback's start gets here: the network."""

    model: nn.Module
    rate: object = None


def network(drop: float = 0.0, norm: bool = True) -> Net:
    torch.manual_seed(0)
    return Net(drop, norm)


def trained(machine: Machine, recipe: Recipe = RECIPE, train: int = 129, drop: float = 0.0, callback: object = None, masks: object = None,
            resume: State | None = None) -> tuple[dict[str, Tensor], list[State]]:
    """Weights and losses of a training, and its state after the second epoch."""
    model, data, told, states = network(drop, norm=recipe.batch_size > 1), load(Noise(train), Path()), [], []
    marks = Checkpoints(lambda epoch, take: states.append(take()) if epoch == 1 else None, resume, lambda *what: told.append(what[1]))
    train_(model, recipe, data, Seeds(1, "noise"), machine, callback, masks, marks, net=Whole(model))
    assert "forward" not in vars(model.norm) and not model.norm._forward_hooks
    return {**model.state_dict(), "losses": torch.tensor(told)}, states


def cases(machine: Machine) -> dict[str, dict[str, Tensor]]:
    """The trainings whose results are to be the same for any number of processes."""
    mask = torch.arange(6 * 2 * 9).view(6, 2, 3, 3) % 3 > 0
    plain, states = trained(machine)
    return {"plain": plain, "resumed": trained(machine, resume=states[0])[0],
            "masked": trained(machine, replace(RECIPE, nesterov=False, decay_norms=False), 128, callback=Shrink(), masks={"conv.weight": mask})[0],
            "single images": trained(machine, replace(RECIPE, epochs=2, batch_size=1, lr=0.01), 5)[0],
            "dropout": trained(machine, drop=0.5)[0]}


def main(folder: Path) -> None:
    """What a rank does: its results into a folder."""
    warnings.simplefilter("error")
    meet("gloo")
    rank, machine = distributed.get_rank(), Machine(memory_format="contiguous", ranks=distributed.get_world_size())
    machine.prepare()
    for name, tensors in cases(machine).items():
        save_file(tensors, folder / f"{name}-{rank}.safetensors")
    try:
        trained(machine, callback=Apart())
    except BenchError as error:
        (folder / f"apart-{rank}").write_text(f"{error.kind}: {error.what}")
    leave()
    (folder / f"threads-{rank}").write_text("\n".join(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
