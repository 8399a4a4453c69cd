"""A few lines of Python that load what was exported, for people to copy."""
from __future__ import annotations

from benchbase.nets.folder import ARCHITECTURE, MASKS, WEIGHTS
from benchbase.values.architecture import Architecture


def load_onnx(path: str, architecture: Architecture) -> str:
    """Lines that run an ONNX file."""
    return (f"import onnxruntime\n\nsession = onnxruntime.InferenceSession({path!r})\n"
            f'logits = session.run(None, {{"images": images}})[0]  # images: {_images(architecture)}, as float32 of numpy\n')


def load_program(path: str, architecture: Architecture) -> str:
    """Lines that run a program of torch.export."""
    return f"import torch\n\nnet = torch.export.load({path!r}).module()\nlogits = net(images)  # images: {_images(architecture)}\n"


def load_folder(path: str, architecture: Architecture, named: bool = True) -> str:
    """Lines that rebuild a network from its architecture.json and its safetensors.

    path: of the folder; "" for lines in a file of that folder.  named: whether the dense network has a name that `bench list` knows.
    """
    more = f', masks=folder / "{MASKS}"' if architecture.masks else ""
    more += "" if named else ", model=Net"
    hint = "" if named else "  # Net: your function or class that makes the dense network"
    where = f"Path({path!r})" if path else "Path(__file__).parent"
    return (f"from pathlib import Path\n\nimport benchbase\nfrom safetensors.torch import load_file\n\nfolder = {where}\n"
            f'net = benchbase.build(folder / "{ARCHITECTURE}"{more}){hint}\n'
            f'net.load_state_dict(load_file(folder / "{WEIGHTS}"))\nnet.eval()  # takes {_images(architecture)}\n')


def _images(architecture: Architecture) -> str:
    return f"(n, {', '.join(map(str, architecture.shape))}), normalised as in training"
