"""Training on a GPU: images a second of the loop beside the authors' way and beside a bare loop captured whole, all in one run.

The authors' way (Liu et al.'s scripts): PIL images through a DataLoader with one worker, fp32, the number of right answers fetched every step.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from benchbase.training.augment import crop_flip
from benchbase.training.data import load
from benchbase.training.dataset import Dataset
from benchbase.training.loop import train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.models.resnet import resnet20, resnet56
from benchbase_plugins.models.vgg import vgg16

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
RECIPE = Recipe(epochs=1, batch_size=64)
IMAGES = 12800
NETWORKS = {"resnet20": resnet20, "resnet56": resnet56, "vgg16": vgg16}


class Noise(Dataset):
    """CIFAR's shapes."""

    name, num_classes, shape = "noise", 10, (3, 32, 32)

    def load(self, root, split):
        count = IMAGES if split == "train" else 64
        return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8), torch.arange(count) % 10


class Pictures:
    """The same images, one PIL image at a time."""

    def __init__(self) -> None:
        images, self.labels = Noise().load(Path(), "train")
        self.images = [v2.functional.to_pil_image(image) for image in images]
        self.vary = v2.Compose([v2.Pad(4), v2.RandomCrop(32), v2.RandomHorizontalFlip(), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                                v2.Normalize([0.5] * 3, [0.25] * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int):
        return self.vary(self.images[i]), int(self.labels[i])


def usual(model: nn.Module, batches: DataLoader) -> float:
    """Images a second of one epoch of the authors' way, after the workers have begun."""
    model.cuda().train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    right, seen, started = 0, 0, 0.0
    for x, y in batches:
        x, y = x.cuda(), y.cuda()
        optimiser.zero_grad()
        output = model(x)
        loss = functional.cross_entropy(output, y)
        right += int((output.argmax(1) == y).sum().cpu())
        loss.backward()
        optimiser.step()
        seen += len(y)
        if seen == 640:
            torch.cuda.synchronize()
            started = time.perf_counter()
    torch.cuda.synchronize()
    return (seen - 640) / (time.perf_counter() - started)


def bare(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Images a second of a hand-written bf16 loop whose whole step, optimiser too, is one graph; only the batch is made outside of it."""
    model.cuda().to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1, device="cuda"), momentum=0.9, weight_decay=1e-4, fused=True)
    generator, x = torch.Generator().manual_seed(0), torch.zeros(64, 3, 32, 32, device="cuda").contiguous(memory_format=torch.channels_last)
    y = torch.zeros(64, dtype=torch.long, device="cuda")

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    rates = []
    for _ in range(3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for index in torch.randperm(IMAGES, generator=generator).cuda().split(64):
            x.copy_(crop_flip(images[index], generator).float().sub_(127.5).div_(64.0))
            y.copy_(labels[index])
            graph.replay()
        torch.cuda.synchronize()
        rates.append(IMAGES / (time.perf_counter() - started))
    return max(rates)


def ours(make: Callable[[int], nn.Module], machine: Machine, epochs: int = 4) -> float:
    """Images a second of an epoch, after the first one, in which algorithms are chosen and the passes are recorded."""
    ends: list[float] = []
    from benchbase.training.loop import Checkpoints

    machine.prepare()
    data = load(Noise(), Path(), machine.device)
    train_(make(10), replace(RECIPE, epochs=epochs), data, Seeds(0), machine,
           checkpoints=Checkpoints(on_loss=lambda *told: ends.append(time.perf_counter())))
    return IMAGES / min(b - a for a, b in zip(ends, ends[1:], strict=False))


@pytest.mark.parametrize("name", list(NETWORKS))
def test_images_a_second_beside_the_usual_and_a_bare_captured_loop(name, benchmark):
    make = NETWORKS[name]
    pictures = Pictures()
    rates = {f"usual, {workers} worker{'s' * (workers > 1)}": usual(make(10), DataLoader(pictures, 64, shuffle=True, num_workers=workers, pin_memory=True))
             for workers in (1, 8)}
    images, labels = (t.cuda() for t in Noise().load(Path(), "train"))
    torch.backends.cudnn.benchmark = True
    rates["bare, captured"] = bare(make(10), images, labels)
    for precision in ("fp32", "bf16"):
        for graphs in (False, True):
            rates[f"{precision}{', captured' * graphs}"] = ours(make, Machine("cuda", precision, graphs=graphs), 4 if graphs else 2)
    benchmark.pedantic(lambda: None)
    best = rates["bf16, captured"]
    benchmark.extra_info.update({k: round(v) for k, v in rates.items()}, of_usual=round(best / rates["usual, 1 worker"], 2),
                                of_usual_8=round(best / rates["usual, 8 workers"], 2), of_bare=round(best / rates["bare, captured"], 3))
    print(name, benchmark.extra_info, flush=True)


@pytest.fixture(params=[False, True], ids=["time slices", "MPS"])
def environment(request, tmp_path):
    """What processes are started with: they share the GPU by turns, or through NVIDIA's Multi-Process Service at once."""
    if not request.param:
        yield dict(os.environ)
        return
    if shutil.which("nvidia-cuda-mps-control") is None:
        pytest.skip("no nvidia-cuda-mps-control")
    env = {**os.environ, "CUDA_MPS_PIPE_DIRECTORY": str(tmp_path / "pipe"), "CUDA_MPS_LOG_DIRECTORY": str(tmp_path / "log")}
    for folder in ("pipe", "log"):
        (tmp_path / folder).mkdir()
    subprocess.run(["nvidia-cuda-mps-control", "-d"], env=env, check=True)
    yield env
    subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, env=env, check=True, timeout=30)


@pytest.mark.parametrize("processes", [1, 4])
def test_several_trainings_at_once(processes, environment, benchmark):
    """Images a second of all of them together, each in its own process, while all train."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_gpu; test_gpu.beside(sys.argv[2])"
    running = [subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent), "resnet56"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, env=environment) for _ in range(processes)]
    for one in running:
        assert one.stdout.readline() == "ready\n"
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    rates = [float(one.communicate()[0]) for one in running]
    benchmark.pedantic(lambda: None)
    benchmark.extra_info.update(images_per_second=round(sum(rates)), each=round(sum(rates) / processes))
    print(processes, benchmark.extra_info, flush=True)


def beside(name: str) -> None:
    """One of several processes: say that the first epoch is done, wait, train on for seconds, tell the rate."""
    machine = Machine("cuda", "bf16")
    ours(NETWORKS[name], machine, 2)
    print("ready", flush=True)
    sys.stdin.readline()
    print(ours(NETWORKS[name], machine, 4))
