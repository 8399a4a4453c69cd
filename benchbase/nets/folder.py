"""The pruned folder: five files, no pickle among them, there whole or not at all."""
from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.errors import BenchError
from benchbase.nets.prune import Pruned
from benchbase.nets.rebuild import shell
from benchbase.nets.weights import digest_of, load_file_, read_weights, write_weights
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.bounded import inside, json_of, read_bytes
from benchbase.values.selection import Selection

ARCHITECTURE, SELECTION, WEIGHTS, MASKS, REPORT = "architecture.json", "selection.json", "weights.safetensors", "masks.safetensors", "report.json"
MAX_BYTES = 32 << 20  # of a JSON file
MAX_INDICES = 10_000_000  # of a selection
TODO = "write the folder again with `bench prune`"


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> str:
    """Write tensors as safetensors and return their digest."""
    write_weights(path, tensors)
    return digest_of(tensors)


def fill_folder(pruned: Pruned, folder: Path) -> str:
    """Write the files into an existing folder, which the caller makes whole or absent. Returns the digest of the weights."""
    _write_json(folder / ARCHITECTURE, pruned.architecture.to_json())
    _write_json(folder / SELECTION, selection_json(pruned.selection))
    _write_json(folder / REPORT, pruned.report)
    if pruned.masks:
        save_tensors(pruned.masks, folder / MASKS)
    return save_tensors(pruned.model.state_dict(), folder / WEIGHTS)


def write_folder(pruned: Pruned, folder: str | Path) -> Path:
    """Write the pruned folder: into a sibling first, then renamed, so that it is there whole or not at all.

    Raises BenchError where the place cannot be written, or holds something already.
    """
    with whole_folder(Path(folder)) as aside:
        fill_folder(pruned, aside)
    return Path(folder)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new empty folder to fill, which gets the name `folder` when the block ends well, and goes away when it does not.

    Raises BenchError where the place cannot be written, or holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} exists and is not empty", "give another folder, or remove it first")
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        yield aside
        for path in (*aside.iterdir(), aside):
            _sync(path)
        aside.chmod(0o755)
        aside.rename(folder)  # POSIX: replaces an empty folder, fails on any other
        _sync(folder.parent)
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror or error}", "give a folder that can be written") from None
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def fill_network(architecture: Architecture, weights: Mapping[str, Tensor], folder: Path, masks: Mapping[str, Tensor] | None = None) -> str:
    """Write what a network is into an existing folder, without what chose it. Returns the digest of the weights."""
    _write_json(folder / ARCHITECTURE, architecture.to_json())
    if masks:
        save_tensors(masks, folder / MASKS)
    return save_tensors(weights, folder / WEIGHTS)


def read_network(folder: str | Path, model: Callable[[], nn.Module] | None = None,
                 open_model: Callable[[Architecture], nn.Module] | None = None) -> tuple[nn.Module, Architecture]:
    """The network of a folder, in eval mode, and its architecture: what `fill_folder` or `fill_network` wrote. BenchError as of `read_folder`."""
    folder = Path(folder)
    architecture = architecture_of(read_json(folder / ARCHITECTURE))
    return load_file_(shell(architecture, model, open_model), inside(folder / WEIGHTS, folder)).eval(), architecture


def read_folder(folder: str | Path, model: Callable[[], nn.Module] | None = None,
                open_model: Callable[[Architecture], nn.Module] | None = None) -> Pruned:
    """A pruned folder read back, its weights loaded into the rebuilt network. BenchError for anything missing, broken or foreign."""
    folder = Path(folder)
    architecture, report = architecture_of(read_json(folder / ARCHITECTURE)), read_json(folder / REPORT)
    selection = read_selection(folder)
    if bool(architecture.masks) != bool(selection.masks) or architecture.masks and digest_of(selection.masks) != architecture.masks:
        raise BenchError(f"{folder / MASKS} is not the one of its architecture.json", TODO)
    net = load_file_(shell(architecture, model, open_model), inside(folder / WEIGHTS, folder)).eval()
    weights = dict(net.named_parameters(remove_duplicate=False))
    if odd := [n for n, m in selection.masks.items() if n not in weights or weights[n].shape != m.shape or m.dtype != torch.bool]:
        raise BenchError(f"{folder / MASKS}: the mask of {odd[0][:60]!r} does not fit the network", TODO)
    return Pruned(net, selection, architecture, report)


def read_selection(folder: Path) -> Selection:
    """What a pruned folder says that was chosen, masks included. BenchError for anything missing or broken."""
    chosen = read_json(folder / SELECTION)
    return _selection_of(chosen, read_weights(inside(folder / MASKS, folder)) if chosen.get("masks") == MASKS else {}, folder / SELECTION)


def selection_json(selection: Selection) -> dict[str, Any]:
    """As the plain data of selection.json: groups in network order; masks stand in a file of their own."""
    return {"kept": {name: list(map(int, kept)) for name, kept in selection.kept.items()},
            "reads": {name: list(map(int, read)) for name, read in selection.reads.items()},
            "dropped": list(selection.dropped), "masks": MASKS if selection.masks else None}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; BenchError when it is missing, too large or deep, a link out of its folder, or is not one."""
    raw = read_bytes(path, MAX_BYTES, "give a folder as `bench prune` writes it", within=path.parent)
    try:
        data = json_of(raw)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise BenchError(f"{path} is not a whole JSON object", f"it may be truncated: {TODO}")
    return data


def _selection_of(data: Mapping[str, Any], masks: Mapping[str, Tensor], path: Path) -> Selection:
    def no(why: str) -> BenchError:
        return BenchError(f"{path} is not a selection: {why}", TODO)

    tables: dict[str, dict[str, Any]] = {}
    dropped, total = data.get("dropped"), 0
    for key in ("kept", "reads"):
        table = data.get(key)
        if not isinstance(table, dict):
            raise no(f"{key} is not a table")
        tables[key] = table
        for name, indices in table.items():
            if not isinstance(indices, list) or not all(type(i) is int and 0 <= i < 2**31 for i in indices):
                raise no(f"{key}.{name[:60]} is not a list of channels")
            if any(i >= j for i, j in zip(indices, indices[1:])):
                raise no(f"{key}.{name[:60]} is not ascending")
            total += len(indices)
    if total > MAX_INDICES:
        raise no(f"it has more than {MAX_INDICES:,} channels")
    if not isinstance(dropped, list) or not all(isinstance(b, str) and b for b in dropped) or len({*dropped}) < len(dropped):
        raise no("dropped is not a list of blocks")
    if data.get("masks") not in (None, MASKS):
        raise no(f"masks is not null or {MASKS}")
    kept, reads = ({name: tuple(v) for name, v in tables[key].items()} for key in ("kept", "reads"))
    return Selection(kept, reads, tuple(dropped), masks)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
