"""The functions for notebooks: prune your own network in a few lines, build networks by name, look at their groups and costs.

>>> import torch, benchbase
>>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3), torch.nn.Flatten())
>>> pruned = benchbase.prune(net, "l1-norm", 0.5, example=torch.zeros(2, 3, 8, 8))
>>> pruned.model[0].weight.shape, net[0].weight.shape
(torch.Size([4, 3, 3, 3]), torch.Size([8, 3, 3, 3]))
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.errors import BenchError
from benchbase.plugin.manager import load_plugins
from benchbase.plugin.opening import opened
from benchbase.training.dataset import Dataset
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.recipe import Recipe, recipe_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchbase.nets.export import Written
    from benchbase.nets.groups import Group
    from benchbase.nets.method import Method
    from benchbase.nets.prune import Pruned
    from benchbase.values.budget import Budget
    from benchbase.values.cost import Cost
    from benchbase.values.results import Results


def build_model(name: str, num_classes: int | None = None, in_channels: int | None = None, dataset: str | Dataset | None = None) -> nn.Module:
    """The dense network called `name` ("vgg16", "torchvision:resnet18"), with fresh weights from torch's global generator.

    dataset: a data set or its name, which gives the classes and channels that are left out, and the size of the images.  in_channels:
    without it and without a data set, the model's own default.  Raises BenchError for an unknown name, and where the number of classes is not said.
    """
    plugins = load_plugins()
    builder = plugins.model(name)
    if dataset is not None:
        asked = plugins.dataset(dataset).value if isinstance(dataset, str) else dataset
        channels, height, width = asked.shape
        return opened(builder, num_classes or asked.num_classes, (in_channels or channels, height, width))
    if num_classes is None:
        raise BenchError(f"{name}: how many classes?", "give num_classes= or dataset=")
    built: nn.Module = builder(num_classes) if in_channels is None else builder(num_classes, in_channels=in_channels)
    return built


def build(architecture: Architecture | Mapping[str, Any] | str | Path, seed: int = 0, masks: Mapping[str, Tensor] | str | Path | None = None,
          model: Callable[[], nn.Module] | None = None) -> nn.Module:
    """The network of an architecture with fresh weights: the same bits for the same seed, drawn from no global generator.

    architecture: as a value, the path of an architecture.json, or its plain data.  masks: parameter -> bool tensor, or the path of a
    masks.safetensors; needed where the architecture has masks.  model: a function without arguments that makes the dense network;
    left out, it is opened by name.  Raises BenchError for what is missing or does not fit.
    """
    from benchbase.nets.folder import read_json
    from benchbase.nets.rebuild import build as rebuilt
    from benchbase.nets.weights import read_weights

    if isinstance(architecture, (str, Path)):
        architecture = read_json(Path(architecture))
    shape = architecture if isinstance(architecture, Architecture) else architecture_of(architecture)
    kept = read_weights(masks) if isinstance(masks, (str, Path)) else masks
    return rebuilt(shape, seed, kept, model, _opened if model is None else None)


def trace(model: nn.Module, example: Any) -> tuple[Group, ...]:
    """The channels of `model` that go together, in input-to-output order; the model is left as it is.

    example: one input batch (n, ...) with n >= 2. Raises BenchError for a network that cannot be exported.
    """
    from benchbase.nets.graph import read

    return tuple(read(model, example).groups)


def count(model: nn.Module, example: Any) -> Cost:
    """Parameters and multiply-adds of `model` on one example, in all and with nonzero weights; the model is left as it is."""
    from benchbase.nets.cost import cost
    from benchbase.nets.graph import read

    return cost(read(model, example), dict(model.named_parameters()))


def export(model: nn.Module, path: str | Path, example: Any) -> Written:
    """Write `model`, in eval mode, as a file that runs without its code: ONNX (PATH.onnx) or a program of torch.export (PATH.pt2).

    example: one input batch (n, ...) with n >= 2.  What was written is run beside the model on random inputs: `Written.difference`.
    Raises BenchError where a package is missing (pip install 'benchbase[onnx]'), the network cannot be exported, or an output differs by
    more than 1e-4 of the largest one: then there is no file.
    """
    from benchbase.nets.export import export as written

    kinds = {".onnx": "onnx", ".pt2": "torch-export"}
    if (suffix := Path(path).suffix) not in kinds:
        raise BenchError(f"{path}: which format is that?", f"name the file {' or '.join(f'NAME{known}' for known in kinds)}")
    return written(model, example, path, kinds[suffix])


def prune(model: nn.Module, method: str | Method | type[Method], budget: float | str | Mapping[str, Any] | Budget,
          data: Iterable[tuple[Tensor, Tensor]] | Dataset | str | None = None, example: Any = None, seed: int = 0) -> Pruned:
    """Prune `model` once. The model is never changed: `Pruned.model` is a new one, in eval mode.

    method: a name ("thinet[images=64]", "./mine.py:MyMethod"), a class or an instance.  budget: the fraction of channels removed,
    "macs=0.5", a name ("vgg16-a"), a YAML file, a table or a Budget.  data: batches of (images, labels) as the model takes them, a data
    set or its name (its training split, normalised), or None for methods that read weights only.  example: one input batch, taken from
    data when left out.
    Raises BenchError for names that are not there, a budget that does not fit, a method that breaks its contract, a network that
    cannot be cut.
    """
    from benchbase.nets.prune import prune as pruned

    plugins = load_plugins()
    chosen = plugins.method(method).value if isinstance(method, str) else method
    asked = plugins.dataset(data).value if isinstance(data, str) else data
    return pruned(model, chosen, plugins.budget(budget), _batches(asked, seed) if isinstance(asked, Dataset) else asked, example, seed)


def run_protocols(pruned: Pruned, dense: nn.Module, train: Iterable[Any], test: Iterable[Any],
                  protocols: Sequence[str] = ("one-shot", "finetune", "scratch-e", "scratch-b"), recipe: Mapping[str, Any] | Recipe | None = None,
                  finetune: Mapping[str, Any] | Recipe | None = None, model: Callable[[], nn.Module] | None = None, seeds: Iterable[int] = (0,),
                  device: str = "auto", watch: Callable[[str, float], None] | None = None) -> Results:
    """Train what pruning left by each protocol, on one's own loaders, and measure it beside the unpruned network. Shows itself in a notebook.

    pruned: of `prune`.  dense: the trained network that it was pruned from; neither is changed.  train, test: DataLoaders, or lists, of
    (images, labels), normalised and augmented as they come.  protocols: by name.  recipe: how the dense network was trained, which the
    scratch protocols take: fields that differ from a data set's usual recipe, {"epochs": 30, "lr": 0.05}, or a whole one.  finetune: the
    same of fine-tuning; batch sizes are the loaders'.  model: a function that makes the dense network, untrained; needed for fresh weights.
    seeds: each protocol is run with each; the unpruned network stays the one given.  watch: told "finetune seed 0" and the part of it
    that is behind.
    Raises BenchError, before anything is trained, for an unknown or unfit protocol, a wrong recipe, and batches of another form.
    """
    import torch

    from benchbase.flow.by_hand import Hand
    from benchbase.flow.by_hand import run_protocols as run
    from benchbase.training.loaders import Loaders
    from benchbase.training.machine import machine_of

    plugins, seeds = load_plugins(), tuple(seeds)
    chosen = [plugins.protocol(name) for name in protocols]
    if not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise BenchError(f"seeds={seeds!r} are no seeds", "give whole numbers from 0 on, like seeds=range(3)")
    base, tuned = (said if isinstance(said, Recipe) else recipe_of(dict(said or {}), usual)
                   for said, usual in ((recipe, Dataset.recipe), (finetune, Dataset.finetune)))
    machine = machine_of(device, threads=torch.get_num_threads())
    loaders = Loaders(train, test, pruned.architecture.num_classes, machine.device)
    return run(Hand(pruned, dense, loaders, base, tuned, machine, model, watch or (lambda what, part: None)), chosen, seeds)


def _opened(architecture: Architecture) -> nn.Module:
    """The dense network of `architecture` by its name."""
    try:
        builder = load_plugins().model(architecture.model)
    except BenchError as error:
        raise BenchError(f"the dense network cannot be made by name: {error.what}", f"give model=a function that makes it; or {error.todo}") from None
    return opened(builder, architecture.num_classes, architecture.shape)


def _batches(dataset: Dataset, seed: int) -> Iterable[tuple[Tensor, Tensor]]:
    """The training split as a method of `bench run` sees it."""
    from benchbase.flow.settings import settings_of
    from benchbase.flow.stages import Calibration
    from benchbase.training.data import load
    from benchbase.values.digest import seed_of

    return Calibration(load(dataset, settings_of().data), seed_of(seed, "calibration"))
