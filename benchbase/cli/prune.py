"""`bench prune`: one network pruned once, without a benchmark."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import check_writable
from benchbase.cli.options import (
    assigned,
    folder_options,
    json_option,
    machine_options,
    quiet_option,
    recipe_options,
    settings_from,
    traceback_option,
)
from benchbase.cli.output import columns, out, print_json
from benchbase.cli.progress import progress
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.tools import Tools
    from benchbase.nets.prune import Pruned
    from benchbase.plugin.manager import Plugins


@click.command("prune")
@click.option("-m", "--method", required=True, metavar="NAME[P=V,...]", shell_complete=complete.methods,
              help="The method, its parameters in brackets, or one out of a file: ./mine.py:MyMethod.")
@click.option("--model", required=True, metavar="NAME", shell_complete=complete.models, help="The model.")
@click.option("--dataset", required=True, metavar="NAME", shell_complete=complete.datasets,
              help="The data set: shape and classes; its training images for methods that read them.")
@click.option("--weights", metavar="W.safetensors", shell_complete=complete.files,
              help="Trained weights of the model.  [default: as `bench run` has trained and stored them]")
@click.option("--budget", required=True, metavar="B", shell_complete=complete.budgets,
              help="How much to remove: 0.5, macs=0.5, params=0.5, compression=8, a name or a YAML file.")
@click.option("--out", "folder", required=True, metavar="DIR", shell_complete=complete.folders,
              help="The folder to write; it must not exist, or be empty.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N",
              help="Seed of the method, and of the stored base.")
@recipe_options
@machine_options
@folder_options
@json_option
@quiet_option
@traceback_option
def command(folder: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Prune a trained network once and write what is left into a folder: architecture.json, selection.json, weights.safetensors, report.json
    (and masks.safetensors where single weights were pruned). No file is a pickle.

    Weights come from --weights, a safetensors file of the model's state_dict; or from the store, when `bench run` has trained this model
    on this data set with this seed and recipe (--epochs and --set say which). Methods that read images get those of the training split.

    In Python, `benchbase.build(architecture)` makes the network of an architecture.json with fresh weights.

    \b
    Examples:
      bench prune --method l1-norm --model resnet56 --dataset cifar10 --weights w.safetensors --budget resnet56-a --out pruned
      bench prune --method thinet --model vgg-digits --dataset digits --budget 0.5 --out pruned     (after bench run --method thinet)
    """
    from benchbase.plugin.manager import load_plugins

    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BenchError(f"{target} exists and is not empty", "give another folder with --out, or remove it first")
    check_writable("pruned folder", target.absolute().parent, "give a folder that can be written with --out")
    pruned = prune(load_plugins(), given, quiet)

    from benchbase.nets.folder import write_folder

    write_folder(pruned, target)
    if as_json:
        print_json({"folder": str(target), "architecture": pruned.architecture.to_json(), "report": pruned.report})
    else:
        out(text(pruned, target))


def prune(plugins: Plugins, given: dict[str, Any], quiet: bool) -> Pruned:
    """Look everything up, load the weights, prune. Raises BenchError, kind "not_applicable" for a budget that the network cannot meet."""
    from benchbase.nets.prune import prune_network
    from benchbase.nets.weights import load_weights_, read_weights
    from benchbase.values.architecture import Architecture
    from benchbase.values.digest import seed_of

    method, budget, dataset = plugins.method(given["method"]).value, plugins.budget(given["budget"]), plugins.dataset(given["dataset"]).value
    tools, weights = opened(plugins, given) if given["weights"] else stored(plugins, given)
    dense = Architecture(plugins.model_name(given["model"]), dataset.num_classes, tuple(dataset.shape))
    tools.code(dense)  # refuses a model that these classes and images do not fit
    model = load_weights_(tools.open(dense), read_weights(weights), str(weights))
    tools.machine.prepare()
    images = Images(tools, dataset, given["seed"])
    try:
        with progress(quiet) as seen, seen.stage("prune", f"{method.name} {budget.label} {dense.model} {dataset.name}"):
            return prune_network(model, method, budget, images, tools.example(dense), seed_of(given["seed"], "method", method.name), dense,
                                 tuner_of(tools, dataset, given) if method.tunes else None)
    except BenchError as error:
        raise (images.failed or [error])[0] from None


def opened(plugins: Plugins, given: dict[str, Any]) -> tuple[Tools, Path]:
    """The tools of this machine, and the weights that were given."""
    from benchbase.flow.tools import Tools
    from benchbase.training.machine import machine_of

    settings = settings_from(given)
    return Tools(plugins, machine_of(settings.device, settings.precision, settings.threads), settings.data), Path(given["weights"])


def stored(plugins: Plugins, given: dict[str, Any]) -> tuple[Tools, Path]:
    """The tools of this machine, and the weights of the base that `bench run` has trained. Raises BenchError where it has not."""
    from benchbase.flow.experiment import Failed, experiment
    from benchbase.flow.plan import Planner
    from benchbase.flow.run import open_suite
    from benchbase.flow.stages import WEIGHTS
    from benchbase.flow.store import Done
    from benchbase.values.spec import Suite

    recipe, finetune = assigned(given)
    suite = Suite((given["method"],), (given["model"],), (given["dataset"],), (given["budget"],), ("one-shot",), (given["seed"],), recipe, finetune)
    bench = open_suite(suite, settings_from(given), plugins)
    outcome = next(experiment(bench.cells[0], bench.machine, Planner(bench.do)))
    if isinstance(outcome, Failed):
        raise outcome.error
    base = outcome.ready.base.own
    if not isinstance(base, Done):
        raise BenchError(f"no {given['model']} trained on {given['dataset']} with seed {given['seed']} and this recipe is in the store",
                         f"give --weights W.safetensors, or train it: bench run -m '{given['method']}' --model {given['model']} "
                         f"--dataset '{given['dataset']}' --budget {given['budget']} --seeds {given['seed']}")
    return bench.do.tools, base.folder / WEIGHTS


def tuner_of(tools: Tools, dataset: Any, given: dict[str, Any]) -> Any:
    """What trains inside a method that fine-tunes between its choices."""
    from benchbase.flow.tuning import Tuner
    from benchbase.values.recipe import recipe_of

    loaded = tools.data(dataset)
    return Tuner(recipe_of(assigned(given)[1], dataset.finetune), loaded, given["seed"], loaded.fingerprint, tools.machine)


@dataclass(frozen=True)
class Images:
    """The training images, loaded when a method first reads them. failed: what was wrong with the data, where something was."""

    tools: Tools
    dataset: Any
    seed: int
    failed: list[BenchError] = field(default_factory=list)

    def __iter__(self) -> Iterator[Any]:
        from benchbase.flow.stages import Calibration
        from benchbase.values.digest import seed_of

        try:
            loaded = self.tools.data(self.dataset)
        except BenchError as error:
            self.failed.append(error)
            raise
        yield from Calibration(loaded, seed_of(self.seed, "calibration"))


def text(pruned: Pruned, folder: Path) -> str:
    """What was kept, what it costs, where it is."""
    rows = [(name, f"{pruned.report[name]['dense']:,}", "->", f"{pruned.report[name]['pruned']:,}",
             f"{100 * (1 - pruned.report[name]['pruned'] / max(pruned.report[name]['dense'], 1)):.1f} % less") for name in ("params", "macs")]
    kept = [(name, f"{len(kept)} channels kept") for name, kept in pruned.selection.kept.items()]
    last = [f"zeroed and sliced networks differ by {pruned.report['equivalence']:.1e}", f"written to {folder}"]
    return "\n".join([*columns(kept), *columns(rows), *last])
