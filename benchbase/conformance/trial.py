"""A method run as `bench run` runs it, and watched: what it chose, what it left behind, what it looked at."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchbase.conformance import ground
from benchbase.errors import BenchError
from benchbase.flow.stages import Calibration
from benchbase.flow.tuning import Again, Tuner
from benchbase.nets import seeded, solve
from benchbase.nets.cut import Chosen, cut
from benchbase.nets.foresee import foresee
from benchbase.nets.net import Net, private_copy
from benchbase.nets.stream import Stream
from benchbase.nets.verify import before, left, verified
from benchbase.nets.weights import digest_of
from benchbase.training.loop import train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.selection import Selection


@dataclass(frozen=True)
class Trial:
    """One call of select. budget: as it was handed over, every group's width known where the target is predefined.

    refused: why the method does not apply.  wrong: (rule, what, todo) of all that is against the contract; rules are names of checks.
    selection: verified, None where it is not valid.  weights: digest of the copy afterwards.
    """

    network: str
    asked: Budget
    budget: Budget
    groups: tuple[Any, ...] = ()
    refused: str = ""
    wrong: tuple[tuple[str, str, str], ...] = ()
    selection: Selection | None = None
    weights: str = ""
    rescued: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        return f"on the {self.network} network at {self.asked.label}"


def trial(method: Any, network: str, asked: Budget, seed: int = 0) -> Trial:
    """Train as the method says, let it choose, and look at everything."""
    model, trace = ground.network(network), ground.trace(network)
    try:
        budget = asked if decides(method) else foresee(model, method, asked, trace).budget
        trained(method, budget, model, network)
    except BenchError as error:
        return Trial(network, asked, asked, (), *_sorted(error))
    scope = solve.scope_of(budget, method.scope, trace.groups)
    groups = solve.in_scope(trace.groups, scope) if method.granularity == "channel" else trace.groups
    net = Net(private_copy(model).eval(), trace, torch.Generator().manual_seed(seed), groups, tuner=_tuner(method, network))
    return _chosen(method, network, asked, budget, net, model, seed)


def decides(method: Any) -> bool:
    """Whether the method, not the budget, says how many channels each layer keeps."""
    return bool(method.target != "predefined" or method.granularity != "channel")


def trained(method: Any, budget: Budget, model: Any, network: str) -> None:
    """`model` after the training that the method asks for, in place; as it is where it asks for none."""
    callback = method.training(budget)
    if callback is None:
        return
    data, machine, trace = ground.images()[0], Machine(), ground.trace(network)
    net = Net(model, trace, torch.Generator().manual_seed(0), trace.groups, steps=ground.RECIPE.epochs * data.steps(ground.RECIPE.batch_size))
    train_(model, ground.RECIPE, data, Seeds(0, data.fingerprint), machine, callback, net=net)
    model.eval()


def _chosen(method: Any, network: str, asked: Budget, budget: Budget, net: Net, model: Any, seed: int) -> Trial:
    """The choice on `net`, a copy of `model`."""
    import rich.style  # noqa: F401 -- as in `supervised`: it draws from random's global generator when it is first imported

    data, splits = ground.images()
    given = list(Calibration(data, seed, 32))
    stream = Stream(Batches(given, data), method.name, seed, torch.device("cpu"))
    whole, seen, was = digest_of(model.state_dict()), digest_of(dict(enumerate_(given))), before(net.model)
    splits.clear()
    refused, wrong, selection = "", [], None
    try:
        selection = method.select(net, stream, budget)
    except BenchError as error:
        refused, wrong = _sorted(error)[0], list(_sorted(error)[1])
    except Exception as error:  # noqa: BLE001 -- whatever it raises is what is wrong
        wrong = [("select", f"select raised {type(error).__name__}: {error}", "mend what raises; it must run on every network")]
    finally:
        drawn = seeded.moved(was.random, seeded.global_state())
        seeded.restore(was.random)
    wrong += left(was, net.model, drawn)
    if digest_of(model.state_dict()) != whole:
        wrong.append(("copy-only", "it changed the weights of a network that is not its copy", "edit net.model and nothing else"))
    if digest_of(dict(enumerate_(given))) != seen:
        wrong.append(("copy-only", "it changed the images of its data", "copy a batch before you change it: images = images.clone()"))
    if "test" in splits:
        wrong.append(("no-test-data", "it read the test split", "use what `data` yields: test images are for the final evaluation only"))
    made = (asked, budget, net.groups, refused)
    if refused or wrong:
        return Trial(network, *made, tuple(wrong))
    try:
        selection = verified(method.name, selection, net.model, net.groups, None)
        cut(Chosen(net, selection), ground.example())
    except BenchError as error:
        rule = "selection" if error.kind == "method_error" else "zeroed-is-sliced"
        return Trial(network, *made, ((rule, error.what.removeprefix(f"{method.name}: "), error.todo),))
    except Exception as error:  # noqa: BLE001
        return Trial(network, *made, (("selection", f"select returned what cannot be read: {type(error).__name__}: {error}", SELECTION),))
    return Trial(network, *made, (), selection, digest_of(net.model.state_dict()), tuple(net.rescued))


SELECTION = "return benchbase.Selection({group.name: ascending indices of the channels that stay})"


@dataclass(frozen=True)
class Batches:
    """Batches of the training split, and the data set they come from within reach, as in a run."""

    given: list[Any]
    data: Any

    def __iter__(self) -> Any:
        return iter(self.given)


def enumerate_(given: list[Any]) -> list[tuple[str, Any]]:
    """Images and labels by name."""
    return [(f"{i}.{j}", tensor) for i, batch in enumerate(given) for j, tensor in enumerate(batch)]


def _sorted(error: BenchError) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """(why it does not apply, what is wrong): one of the two."""
    if error.kind == "not_applicable":
        return error.what, ()
    return "", (("select", error.what, error.todo),)


def _tuner(method: Any, network: str) -> Any:
    """How a method that says so trains between its choices."""
    if not (method.tunes or method.restarts):
        return None
    data = ground.images()[0]
    again = Again(ground.RECIPE, lambda: ground.network(network).state_dict()) if method.restarts else None
    return Tuner(ground.RECIPE if method.tunes else None, data, 0, data.fingerprint, Machine(), again)
