"""`bench import`: weights that others trained, as a folder of ours."""
from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import check_writable
from benchbase.cli.options import json_option, settings_from, traceback_option
from benchbase.cli.output import columns, out, print_json
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

    from benchbase.plugin.manager import Plugins
    from benchbase.values.architecture import Architecture


@click.command("import")
@click.argument("weights", metavar="WEIGHTS", shell_complete=complete.files)
@click.option("--model", required=True, metavar="NAME", shell_complete=complete.models,
              help="The dense model that the weights are of, or were pruned from: vgg16, torchvision:resnet18, timm:NAME.")
@click.option("--dataset", metavar="NAME", shell_complete=complete.datasets,
              help="What it was trained for: says classes and images. Its data are not read.")
@click.option("--classes", type=click.IntRange(min=1), metavar="N", help="The number of classes, where no data set says it.")
@click.option("--shape", metavar="CxHxW", help="The images, where no data set says it: 3x224x224.")
@click.option("--out", "target", required=True, metavar="DIR", shell_complete=complete.folders,
              help="The folder to write; it must not exist, or be empty.")
@json_option
@traceback_option
def command(weights: str, model: str, dataset: str | None, classes: int | None, shape: str | None, target: str, as_json: bool) -> None:
    """Read weights that were trained elsewhere into a folder of architecture.json and weights.safetensors, which `bench export` and
    `benchbase.build` take; `bench prune --weights DIR/weights.safetensors` prunes dense ones.

    WEIGHTS is a safetensors file, or what torch.save wrote of a state_dict: of torchvision or timm, or a checkpoint of the authors of "Rethinking
    the Value of Network Pruning" (VGG, ResNet, PreResNet, DenseNet on CIFAR, dense or pruned). Tensors may be smaller than the dense model's: what
    shrank becomes the architecture.

    A file of torch.save is a pickle. It is read by torch's restricted reader (weights_only), which knows tensors and plain values, and runs no
    code; a file that needs more is refused.

    \b
    Examples:
      bench import pruned.pth.tar --model vgg16 --dataset cifar10 --out theirs
      bench import resnet18-f37072fd.pth --model torchvision:resnet18 --classes 1000 --shape 3x224x224 --out resnet18
      bench import model.safetensors --model timm:mobilenetv3_small_100 --classes 1000 --shape 3x224x224 --out mobilenet
    """
    from benchbase.plugin.manager import load_plugins

    path = Path(target)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise BenchError(f"{path} exists and is not empty", "give another folder with --out, or remove it first")
    check_writable("imported network", path.absolute().parent, "give a folder that can be written with --out")
    plugins = load_plugins()
    architecture, state, dense = imported(plugins, weights, asked(plugins, model, dataset, classes, shape))

    from benchbase.nets.folder import fill_network, whole_folder

    with whole_folder(path) as aside:
        fill_network(architecture, state, aside)
    if as_json:
        print_json({"folder": str(path), "architecture": architecture.to_json(), "params": {"dense": dense[0], "imported": dense[1]}})
    else:
        out(text(path, architecture, dense))


def asked(plugins: Plugins, model: str, dataset: str | None, classes: int | None, shape: str | None) -> Architecture:
    """The dense architecture that the options name. Raises BenchError where they leave something open."""
    from benchbase.values.architecture import Architecture, architecture_of

    found: Any = plugins.dataset(dataset).value if dataset else None
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", shape) if shape else None
    if shape and not match:
        raise BenchError(f"--shape {shape!r} is no shape of images", "write it like 3x224x224: channels, height, width")
    if found is None and not (classes and match):
        raise BenchError("for how many classes, and which images?", "give --dataset NAME, or --classes N and --shape 3x224x224")
    images = [int(n) for n in match.groups()] if match else list(found.shape)
    return architecture_of(Architecture(plugins.model_name(model), classes or found.num_classes, tuple(images)).to_json())  # type: ignore[arg-type]


def imported(plugins: Plugins, weights: str, dense: Architecture) -> tuple[Architecture, dict[str, Tensor], tuple[int, int]]:
    """The architecture and the weights in a file, tried on an empty image; parameters of the dense network and of this one."""
    from benchbase.flow.tools import Tools
    from benchbase.nets.foreign import check_outputs, fitted, read_state
    from benchbase.nets.rebuild import shell
    from benchbase.nets.weights import load_weights_
    from benchbase.training.machine import machine_of

    tools = Tools(plugins, machine_of("cpu", "fp32"), settings_from({}).data)
    tools.code(dense)  # refuses a model that these classes and images do not fit
    whole = shell(dense, open_model=tools.open)
    architecture, state = fitted(read_state(weights), whole, dense, weights)
    model = load_weights_(shell(architecture, open_model=tools.open), state, weights)
    check_outputs(model, tools.example(architecture), architecture, weights)
    return architecture, state, (sum(p.numel() for p in whole.parameters()), sum(p.numel() for p in model.parameters()))


def text(path: Path, architecture: Architecture, params: tuple[int, int]) -> str:
    """What was read, and what can be done with it."""
    shape = " x ".join(map(str, architecture.shape))
    lines = [f"{architecture.model}, {architecture.num_classes} classes of {shape} images: "
             + (f"{params[1]:,} parameters, dense" if architecture.dense else f"{params[1]:,} of the dense network's {params[0]:,} parameters")]
    then = [("bench export", f"{path} --out net.onnx")]
    if architecture.dense:
        then += [("bench prune", f"--weights {path}/weights.safetensors --model {architecture.model} ...")]
    return "\n".join([*lines, f"written to {path}; now", *columns(then)])
