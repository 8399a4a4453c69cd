"""The pruned folder: five files, no pickle among them, there whole or not at all."""
from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchbase.errors import BenchError
from benchbase.nets.prune import Pruned
from benchbase.nets.rebuild import shell
from benchbase.nets.weights import digest_of, load_weights_, read_weights, write_weights
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.selection import Selection

ARCHITECTURE, SELECTION, WEIGHTS, MASKS, REPORT = "architecture.json", "selection.json", "weights.safetensors", "masks.safetensors", "report.json"


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
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} exists and is not empty", "give another folder, or remove it first")
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        fill_folder(pruned, aside)
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
    return folder


def read_folder(folder: str | Path, model: Callable[[], nn.Module] | None = None,
                open_model: Callable[[Architecture], nn.Module] | None = None) -> Pruned:
    """A pruned folder read back, its weights loaded into the rebuilt network. BenchError for anything missing, broken or foreign."""
    folder = Path(folder)
    architecture, report = architecture_of(read_json(folder / ARCHITECTURE)), read_json(folder / REPORT)
    selection = read_selection(folder)
    if architecture.masks and digest_of(selection.masks) != architecture.masks:
        raise BenchError(f"{folder / MASKS} is not the one of its architecture.json", "write the folder again with `bench prune`")
    net = load_weights_(shell(architecture, model, open_model), read_weights(folder / WEIGHTS), str(folder / WEIGHTS)).eval()
    return Pruned(net, selection, architecture, report)


def read_selection(folder: Path) -> Selection:
    """What a pruned folder says that was chosen, masks included. BenchError for anything missing or broken."""
    chosen = read_json(folder / SELECTION)
    return _selection_of(chosen, read_weights(folder / MASKS) if chosen.get("masks") else {}, folder / SELECTION)


def selection_json(selection: Selection) -> dict[str, Any]:
    """As the plain data of selection.json: groups in network order; masks stand in a file of their own."""
    return {"kept": {name: list(map(int, kept)) for name, kept in selection.kept.items()},
            "reads": {name: list(map(int, read)) for name, read in selection.reads.items()},
            "dropped": list(selection.dropped), "masks": MASKS if selection.masks else None}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; BenchError when it is missing or is not one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}", "give a folder as `bench prune` writes it") from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise BenchError(f"{path} is not a whole JSON object", "it may be truncated: write the folder again with `bench prune`")
    return data


def _selection_of(data: Mapping[str, Any], masks: Mapping[str, Tensor], path: Path) -> Selection:
    try:
        indices = {key: {str(n): tuple(int(i) for i in v) for n, v in data[key].items()} for key in ("kept", "reads")}
        return Selection(indices["kept"], indices["reads"], tuple(map(str, data["dropped"])), masks)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchError(f"{path} is not a selection: {type(error).__name__} {error}", "write the folder again with `bench prune`") from None


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
