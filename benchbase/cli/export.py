"""`bench export`: a pruned network for use elsewhere."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import check_writable
from benchbase.cli.options import json_option, settings_from, store_option, traceback_option
from benchbase.cli.output import bytes_text, out, print_json
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.nets.export import Written
    from benchbase.plugin.manager import Plugins
    from benchbase.values.architecture import Architecture

FOLDER = "safetensors"


@click.command("export")
@click.argument("source", metavar="RECORD.json|FOLDER", shell_complete=complete.files)
@click.option("--format", "kind", type=click.Choice(["onnx", "torch-export", FOLDER]), default="onnx", show_default=True,
              help="onnx: any runtime. torch-export: torch alone, without the model's code (.pt2). safetensors: a folder with architecture.json, "
                   "weights and load.py, for Python.")
@click.option("--out", "target", required=True, metavar="PATH", shell_complete=complete.files,
              help="The file to write, which must not exist; the folder, for safetensors.")
@store_option
@json_option
@traceback_option
def command(source: str, kind: str, target: str, store: str | None, as_json: bool) -> None:
    """Write the network of a record, or of a folder that `bench prune` or `bench import` wrote, for use elsewhere, and print the lines of Python
    that load it.

    A record says which network; its weights come from the store that it was run with. An ONNX file is run by onnxruntime, a .pt2 file by torch,
    on random images beside the network itself: the largest difference is printed, and above 1e-4 of the largest output there is no file. Both
    take any number of images where the network does.

    ONNX needs the packages of `pip install 'benchbase[onnx]'`.

    \b
    Examples:
      bench export pruned/ --out net.onnx                     (after bench prune ... --out pruned)
      bench export leaderboard/v1/records/digits/vgg-digits/thinet/0a1b....json --out net.onnx
      bench export pruned/ --format torch-export --out net.pt2
      bench export RECORD.json --format safetensors --out net/
    """
    from benchbase.plugin.manager import load_plugins

    path = Path(target)
    if path.exists() and (kind != FOLDER or not path.is_dir() or any(path.iterdir())):
        raise BenchError(f"{path} exists", "give another path with --out, or remove it first")
    check_writable("exported network", path.absolute().parent, "give a place that can be written with --out")
    found = find(Path(source), store, load_plugins())
    written = write(found, kind, path)
    lines = loader(found, kind, path)
    if as_json:
        print_json({"source": source, "format": kind, "path": str(path), "bytes": size(path), "architecture": found.architecture.to_json(),
                    "difference": written and written.difference, "relative": written and written.relative, "batch": written and written.batch,
                    "load": lines})
    else:
        out(text(found, path, written, lines))


@dataclass(frozen=True)
class Network:
    """What is exported. masks: where they are, if it has any."""

    model: Any
    architecture: Architecture
    masks: Path | None = None


def find(source: Path, store: str | None, plugins: Plugins) -> Network:
    """The network of a record or a folder. Raises BenchError for what is neither, or not whole."""
    from benchbase.flow.tools import Tools
    from benchbase.training.machine import machine_of

    settings = settings_from({"store": store})
    tools = Tools(plugins, machine_of("cpu", "fp32"), settings.data)
    if source.is_dir():
        from benchbase.nets.folder import MASKS, read_network

        model, architecture = read_network(source, open_model=lambda asked: dense(tools, asked))
        return Network(model, architecture, source / MASKS if architecture.masks else None)
    if not source.is_file():
        raise BenchError(f"there is no {source}", "give a record of a leaderboard, or a folder that `bench prune` wrote")
    from benchbase.flow.made import network_of
    from benchbase.flow.store import Store
    from benchbase.values.record import read

    return Network(*network_of(read(source), Store(settings.store), tools))


def dense(tools: Any, architecture: Architecture) -> Any:
    """The dense network by its name."""
    try:
        return tools.open(architecture)
    except BenchError as error:
        raise BenchError(f"the dense network cannot be made by name: {error.what}",
                         "one's own network is exported in Python: benchbase.export(net, 'net.onnx', example)") from None


def write(found: Network, kind: str, path: Path) -> Written | None:
    """Write the file or the folder; how far a file is from the network."""
    from benchbase.nets.export import export
    from benchbase.nets.folder import fill_network, whole_folder
    from benchbase.nets.snippets import load_folder
    from benchbase.nets.weights import read_weights

    if kind == FOLDER:
        masks = read_weights(found.masks) if found.masks else None
        with whole_folder(path) as aside:
            fill_network(found.architecture, found.model.state_dict(), aside, masks)
            (aside / "load.py").write_text(f'"""A pruned network, rebuilt."""\n{load_folder("", found.architecture)}', encoding="utf-8")
        return None
    import torch

    return export(found.model, torch.zeros(2, *found.architecture.shape), path, kind)


def loader(found: Network, kind: str, path: Path) -> str:
    """The lines of Python that load what was written."""
    from benchbase.nets import snippets

    return {"onnx": snippets.load_onnx, "torch-export": snippets.load_program, FOLDER: snippets.load_folder}[kind](str(path), found.architecture)


def text(found: Network, path: Path, written: Written | None, lines: str) -> str:
    """What was written, how near it is, how to load it."""
    shape = " x ".join(map(str, found.architecture.shape))
    told = [f"{path}: {bytes_text(size(path))}, {found.architecture.model}, {found.architecture.num_classes} classes of {shape} images"]
    if written:
        many = f"{written.batch} images" if written.batch else "any number of images"
        told += [f"takes {many} at once, normalised as in training", f"differs from the network by {written.difference:.1e} at most, where "
                 f"outputs reach {written.scale:.3g} ({written.relative:.1e} of it)"]
    return "\n".join([*told, "load it with", "", *(f"  {line}".rstrip() for line in lines.splitlines())])


def size(path: Path) -> int:
    """Bytes of a file, or of a folder's files."""
    return sum(p.stat().st_size for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())
