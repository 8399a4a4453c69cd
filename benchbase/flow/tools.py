"""What stages need of the world: models by name, data sets loaded once, tensors read from files."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError, raised
from benchbase.flow.cells import source_digest
from benchbase.flow.course import Course
from benchbase.flow.team import ALONE, Alone, Team
from benchbase.plugin.manager import Plugins
from benchbase.plugin.opening import opened
from benchbase.values.architecture import Architecture
from benchbase.values.digest import digest


@dataclass(frozen=True)
class Tools:
    """plugins: where names are looked up.  machine: device, precision, threads.  data_root: the folder of downloaded data.
    course: the stage that uses them, under way.  team: who trains with this process."""

    plugins: Plugins
    machine: Any
    data_root: Path
    loaded: dict[Any, Any] = field(default_factory=dict)
    traces: dict[str, Any] = field(default_factory=dict)
    course: Course = Course()
    team: Team | Alone = ALONE

    def data(self, dataset: Any) -> Any:
        """The data set's tensors on the device, read once a process. Whatever a plugin's data set raises comes out as a BenchError."""
        if dataset not in self.loaded:
            from benchbase.training.data import load
            try:
                self.loaded[dataset] = load(dataset, self.data_root, self.machine.device)
            except BenchError:
                raise
            except (Exception, SystemExit) as error:
                raise BenchError(f"data set {dataset.name} cannot be read: {raised(error)}"[:500],
                                 "mend its load (or stream, or augment), or leave it out: see benchbase.Dataset") from error
        return self.loaded[dataset]

    def open(self, architecture: Architecture) -> Any:
        """The dense network of `architecture`, by name. Raises TypeError where its builder returns something else."""
        from torch import nn

        model: Any = opened(self.plugins.model(architecture.model), architecture.num_classes, architecture.shape)
        if not isinstance(model, nn.Module):
            raise TypeError(f"its builder returned {type(model).__name__}, not a torch.nn.Module")
        return model

    def code(self, architecture: Architecture) -> str:
        """Digest of the source files of the dense network's builder and classes where those are edited in place, "" else.

        Raises BenchError where the network cannot be made for these classes and images.
        """
        from benchbase.nets.seeded import seeded

        try:
            with seeded(0):
                model = self.open(architecture)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            fit = f"{architecture.num_classes} classes and {architecture.shape[0]} channels"
            raise BenchError(f"model {architecture.model} cannot be made for {fit}: {raised(error)}", "use a model and a data set that fit") from error
        sources = {source_digest(thing) for thing in (self.plugins.model(architecture.model), *map(type, model.modules()))}
        return digest(sorted(sources - {""})) if sources - {""} else ""

    def fresh(self, architecture: Architecture, seed: int, masks: Any = None) -> Any:
        """The network of `architecture` with fresh weights drawn from `seed`, and the names of weights whose initialiser is not known."""
        from benchbase.nets.rebuild import rebuild
        made = rebuild(architecture, seed, masks, open_model=self.open)
        return made.model, made.guessed

    def traced(self, architecture: Architecture) -> tuple[Any, Any]:
        """The network of `architecture` with weights of no meaning, and its Trace; read once a process (ResNet-56: 6 s)."""
        if architecture.digest not in self.traces:
            from benchbase.nets.graph import read
            model, _ = self.fresh(architecture, seed=0)
            self.traces[architecture.digest] = model, read(model, self.example(architecture))
        found: tuple[Any, Any] = self.traces[architecture.digest]
        return found

    def load(self, architecture: Architecture, weights: Path) -> Any:
        """The network of `architecture` with the weights of a file, matched by name, shape and type."""
        from benchbase.nets.rebuild import load_weights_, read_weights, shell
        model = shell(architecture, open_model=self.open)
        load_weights_(model, read_weights(weights))
        return model

    def tensors(self, path: Path) -> Any:
        from benchbase.nets.rebuild import read_weights
        return read_weights(path)

    def example(self, architecture: Architecture, batch: int = 2) -> Any:
        """A batch of noise of the right shape, to trace with: the same every time."""
        import torch
        return torch.randn(batch, *architecture.shape, generator=torch.Generator().manual_seed(0))
