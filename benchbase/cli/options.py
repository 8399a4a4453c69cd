"""Options that several verbs share, and what they mean: a Suite and Settings."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.errors import BenchError, unknown

if TYPE_CHECKING:
    from benchbase.flow.limits import Limits
    from benchbase.flow.settings import Settings
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def group(*options: Decorator) -> Decorator:
    """Several options as one decorator, shown in this order."""
    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function
    return apply


traceback_option = click.option("--traceback", is_flag=True, expose_value=False, help="Show where an error arose, for developers.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, and nothing else there.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
store_option = click.option("--store", metavar="DIR", shell_complete=complete.folders,
                            help="Folder of finished stages.  [default: $BENCH_STORE, else in the user's cache folder]")
data_option = click.option("--data", metavar="DIR", shell_complete=complete.folders,
                           help="Folder of downloaded data.  [default: $BENCH_DATA, else in the user's cache folder]")
leaderboard_option = click.option("--leaderboard", metavar="DIR", shell_complete=complete.folders,
                                  help="Folder that records are written to.  [default: ./leaderboard]")

recipe_options = group(
    click.option("--epochs", type=int, metavar="N", help="Epochs of the base, and of Scratch-E.  [default: the data set's]"),
    click.option("--finetune-epochs", type=int, metavar="N", help="Epochs of fine-tuning.  [default: the data set's]"),
    click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE",
                 help="A field of a recipe: recipe.lr=0.1, finetune.weight_decay=0, recipe.milestones=0.5/0.75. Repeatable."))
suite_options = group(
    click.option("-m", "--method", "methods", multiple=True, metavar="NAME[P=V,...]", shell_complete=complete.methods,
                 help="A method, its parameters in brackets, or one out of a file: ./mine.py:MyMethod. Repeatable."),
    click.option("--model", "models", multiple=True, metavar="NAME", shell_complete=complete.models,
                 help="A model: vgg16, torchvision:resnet18, timm:NAME. Repeatable.  [default: vgg-digits]"),
    click.option("--dataset", "datasets", multiple=True, metavar="NAME", shell_complete=complete.datasets,
                 help="A data set: cifar10, imagefolder:PATH[name=..,size=32]. Repeatable.  [default: digits]"),
    click.option("--budget", "budgets", multiple=True, metavar="B", shell_complete=complete.budgets,
                 help="How much to remove: 0.5 (of the channels), macs=0.5, params=0.5, compression=8, a name (vgg16-a), a YAML file, "
                      "or as much of each layer as a method does (network-slimming@0.5); '0.5[round_to=8]' rounds widths. Repeatable.  [default: 0.5]"),
    click.option("--protocol", "protocols", multiple=True, metavar="NAME", shell_complete=complete.offered("protocols"),
                 help="What happens after pruning. Repeatable.  [default: one-shot, finetune, scratch-e, scratch-b]"),
    click.option("--controls", is_flag=True,
                 help="Each row's controls as well: the same widths with random channels and l1-norm's, uniform at the same cost, masks at random "
                      "and shuffled; and unpruned-long."),
    click.option("--seeds", metavar="0-4", help="Seeds: 0-4, or 0,2,5.  [default: 0-2]"),
    recipe_options)
machine_options = group(
    click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:i]",
                 shell_complete=complete.words("auto", "cpu", "cuda"),
                 help="Where to compute. auto: a GPU if there is one."),
    click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="auto", show_default=True,
                 help="bf16: mixed precision. auto: bf16 on a GPU that computes it, else fp32."),
    click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
                 help="Threads of one stage. Results depend on it in the last bits."))
budget_time_option = click.option(
    "--budget-time", metavar="2h", help="Only the most informative cells that fit in this time (9m, 1h30m) by the forecast: each row with one seed, "
                                        "then with the next. What takes longer than foreseen is not stopped: see --time-limit.")
folder_options = group(store_option, data_option)
run_options = group(
    suite_options, machine_options,
    click.option("--executor", metavar="NAME", shell_complete=complete.offered("executors"),
                 help="How cells are run: serial, processes, ray, or another plugin's.  [default: serial; processes with --jobs]"),
    click.option("--address", metavar="auto|HOST:PORT", shell_complete=complete.words("auto"),
                 help="The cluster of the executor; auto: the one that this machine belongs to.  [default: a Ray of its own on this machine]"),
    click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
                 help="Cells at a time, each in a process of its own."),
    click.option("--stage-timeout", metavar="2h", help="A stage that takes longer than this (90s, 9m, 1h30m) has failed. Cells run in worker processes."),
    click.option("--stage-memory", metavar="4G",
                 help="A stage that takes more memory than this (500M, 4G) has failed; that of a GPU is not counted. Cells run in worker processes."),
    leaderboard_option, folder_options,
    click.option("--rerun", type=click.Choice(["failed", "all"]), help="Do again what failed, or everything, though the store knows it."),
    json_option, quiet_option, traceback_option)

SUITE_KEYS = ("methods", "models", "datasets", "budgets", "protocols")


def suite_from(source: str | None, plugins: Plugins, given: dict[str, Any]) -> Suite:
    """As `merged`. Raises BenchError where no method is named, and for a name that nobody offers."""
    if not source and not given["methods"]:
        raise BenchError("there is nothing to run", "name a method, as in bench run --method thinet, or a suite file; `bench list` names them all")
    suite = merged(source, plugins, given)
    check_names(suite, plugins)
    return suite


def merged(source: str | None, plugins: Plugins, given: dict[str, Any]) -> Suite:
    """The suite in a file or by name, with what the flags in `given` say in place of its own. Raises BenchError for a suite that is not there or is wrong."""
    from benchbase.values.spec import Suite, parse_seeds, read_suite

    suite = read_suite(suite_path(source, plugins)) if source else Suite()
    recipe, finetune = assigned(given)
    seeds = None if given["seeds"] is None else parse_seeds(given["seeds"])

    def changed(one: Suite) -> Suite:
        return one.with_(**{key: given[key] for key in SUITE_KEYS}, seeds=seeds, recipe=recipe and {**one.recipe, **recipe},
                         finetune=finetune and {**one.finetune, **finetune}, parts=tuple(changed(part) for part in one.parts),
                         controls=given.get("controls") or None)
    return changed(suite)


def check_names(suite: Suite, plugins: Plugins) -> None:
    """Raise BenchError for the first method, protocol, budget or data set that nobody offers: a typo is said at once, before torch is imported."""
    for part in suite.products:
        for look, texts in ((plugins.method, part.methods), (plugins.protocol, part.protocols), (plugins.budget, part.budgets),
                            (plugins.dataset, part.datasets)):
            for text in texts:
                look(text)


def suite_path(source: str, plugins: Plugins) -> Path:
    """Where the suite is: a path, or the name of one that a plugin offers."""
    path = Path(source)
    if path.exists() or path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return path
    offered = plugins.suites()
    if source not in offered:
        method = source.partition("[")[0] in {offer.name for offer in plugins.offers("methods")}
        raise unknown("suite", source, offered, f"did you mean --method {source}?" if method else "" if offered else "give the path of a YAML file")
    return Path(offered[source])


def assigned(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of the recipe, fields of the fine-tuning recipe) that --epochs, --finetune-epochs and --set say."""
    tables: dict[str, dict[str, Any]] = {"recipe": {}, "finetune": {}}
    said = [("recipe", "epochs", given["epochs"]), ("finetune", "epochs", given["finetune_epochs"])]
    for text in given["assignments"]:
        left, equals, value = text.partition("=")
        table, dot, name = left.strip().partition(".")
        if not (equals and dot and table in tables):
            raise BenchError(f"--set {text!r} sets nothing", "write it like --set recipe.lr=0.1 or --set finetune.epochs=20")
        said.append((table, name, value.strip()))
    for table, name, value in said:
        if value is None:
            continue
        if name in tables[table]:
            raise BenchError(f"{table}.{name} is given twice", "give each field once")
        tables[table][name] = value
    return tables["recipe"], tables["finetune"]


def settings_from(given: dict[str, Any], **more: Any) -> Settings:
    """The Settings that the flags say."""
    from benchbase.flow.settings import settings_of as settings

    names = ("device", "precision", "threads", "jobs", "executor", "rerun", "address")
    own = {name: "" if given[name] is None else given[name] for name in names if name in given}
    if given.get("stage_timeout") or given.get("stage_memory"):
        own["limits"] = limits_from(given["stage_timeout"], given["stage_memory"])
    return settings(given.get("store"), given.get("data"), given.get("leaderboard"), **own, **more)


def limits_from(timeout: str | None, memory: str | None) -> Limits:
    """The Limits of a stage that the flags say. Raises BenchError for what is no time or no size."""
    from benchbase.cli.signals import parse_duration
    from benchbase.flow.limits import Limits

    return Limits(parse_duration(timeout, "--stage-timeout") if timeout else 0.0, parse_size(memory) if memory else 0)


def parse_size(text: str) -> int:
    """Bytes in "4G", "500M", "1.5g", "2GB", "2GiB"; powers of 1024. Raises BenchError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt])(?:i?b)?", text.strip().lower())
    size = int(float(match[1]) * 1024 ** (1 + "kmgt".index(match[2]))) if match else 0
    if not size:
        raise BenchError(f"--stage-memory {text!r} is no size", "write it like 500M or 4G")
    return size
