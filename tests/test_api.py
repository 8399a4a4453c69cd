"""The functions for notebooks, on one's own network and by name."""
from __future__ import annotations

import ast
import doctest
import inspect
import json
import subprocess
import sys

import pytest
import torch
from torch import nn

import benchbase
from benchbase import Architecture, BenchError, Budget, Cost, Method, Selection, api
from benchbase.nets.folder import write_folder
from benchbase.nets.prune import prune_network
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.weights import digest_of
from benchbase_plugins.datasets.synthetic import Synthetic
from benchbase_plugins.methods.l1_norm import L1Norm

DATA = Synthetic(train=128, test=64)


class Mine(nn.Module):
    """conv - bn - conv - linear: one's own network, left in training mode."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.head = nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3, bias=False), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.relu(self.two(torch.relu(self.norm(self.one(x))))).mean((2, 3)))


@pytest.fixture
def mine() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Mine().train()


def look(model: nn.Module) -> tuple[object, ...]:
    """All that pruning could change of a model."""
    return digest_of(model.state_dict()), [m.training for m in model.modules()], [p.grad for p in model.parameters()], \
        [len(m._forward_hooks) for m in model.modules()], [p.requires_grad for p in model.parameters()]


def test_doctests():
    assert doctest.testmod(api).failed == 0


def test_the_public_names():
    wanted = {"hookimpl", "Method", "Callback", "Selection", "Architecture", "Budget", "Dataset", "Protocol", "Metric", "ChannelSelect",
              "BenchError", "Recipe",
              "Cost", "build_model", "build", "trace", "count", "csv_cell", "export", "load_records", "prune", "run_protocols",
              "tables", "__version__"}
    assert set(benchbase.__all__) == wanted and wanted <= set(dir(benchbase)) and all(getattr(benchbase, name) for name in wanted)
    with pytest.raises(AttributeError, match="no attribute 'prun'"):
        benchbase.prun  # noqa: B018
    assert benchbase.Method is Method and benchbase.prune is api.prune


@pytest.mark.parametrize("code", [
    "import benchbase", "from benchbase.plugin.manager import load_plugins; p = load_plugins(); p.offers('methods'); p.broken",
    "from benchbase import hookimpl, Method, Callback, Dataset, Protocol, Metric, Budget, Recipe, Architecture, Selection, Cost, BenchError, prune"])
def test_nothing_of_it_needs_torch(code):
    check = "sys.exit(' '.join({'torch', 'torchvision', 'timm', 'numpy', 'scipy', 'sklearn'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", f"import sys; {code}; {check}"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_for_editors_are_the_names_there_are():
    """The block for type checkers imports from where the lazy names come from."""
    block = next(n for n in ast.parse(inspect.getsource(benchbase)).body if isinstance(n, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == {name: f"benchbase.{module}" for name, module in benchbase._MODULE_OF.items()}
    assert set(typed) | {"__version__"} == set(benchbase.__all__)


@pytest.mark.parametrize("method", ["l1-norm", L1Norm, L1Norm(), "thinet[images=32]", "random"])
@pytest.mark.parametrize("budget", [0.5, "0.5", {"ratio": 0.5}, Budget(ratio=0.5)])
def test_prune_in_every_form(mine, method, budget):
    before, state = look(mine), global_state()
    pruned = benchbase.prune(mine, method, budget, data=DATA)
    assert look(mine) == before and moved(state, global_state()) == ""
    assert pruned.model is not mine and not set(pruned.model.parameters()) & set(mine.parameters())
    assert {k: len(v) for k, v in pruned.selection.kept.items()} == {"one": 4, "two": 3}
    assert pruned.model.one.weight.shape == (4, 1, 3, 3) and pruned.model.head.weight.shape == (4, 3)
    assert pruned.report["equivalence"] < 1e-5 and pruned.architecture.shapes["two.weight"] == (3, 4, 3, 3)


def test_l1_norm_keeps_the_largest_filters(mine):
    pruned = benchbase.prune(mine, "l1-norm", 0.25, example=torch.zeros(2, 1, 8, 8))
    for name, layer in (("one", mine.one), ("two", mine.two)):
        size = layer.weight.detach().double().abs().sum((1, 2, 3))
        keep = 6 if name == "one" else 4  # floor of 8 x 0.75 and of 6 x 0.75
        assert pruned.selection.kept[name] == tuple(sorted(size.topk(keep).indices.tolist()))
    torch.testing.assert_close(pruned.model.one.weight, mine.one.weight[list(pruned.selection.kept["one"])])


def test_data_in_every_form(mine):
    x, y = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 4
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16)
    for data in ([(x, y)], loader, DATA, "synthetic[train=128,test=64]"):
        assert benchbase.prune(mine, "thinet[images=32]", 0.5, data=data).model.two.weight.shape == (3, 4, 3, 3)
    same = [benchbase.prune(mine, "thinet[images=32]", 0.5, data=d).selection for d in (DATA, "synthetic[train=128,test=64]")]
    assert same[0] == same[1]
    with pytest.raises(BenchError, match="neither data nor an example"):
        benchbase.prune(mine, "l1-norm", 0.5)


def test_named_budgets_and_the_authors_network():
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in benchbase.build_model("vgg16", 10).named_parameters()}
    assert sum(s.numel() for s in shapes.values()) == 14_987_722
    pruned = benchbase.prune(benchbase.build_model("vgg16", dataset="cifar10"), "l1-norm", "vgg16-a", example=torch.zeros(2, 3, 32, 32))
    convs = [m.out_channels for m in pruned.model.modules() if isinstance(m, nn.Conv2d)]
    assert convs == [32, 64, 128, 128, 256, 256, 256, 256, 256, 256, 256, 256, 256] and pruned.report["asked"]["name"] == "vgg16-a"


def test_build_model_takes_classes_from_where_it_can():
    assert benchbase.build_model("vgg_digits", dataset="digits").features[0].in_channels == 1
    assert benchbase.build_model("vgg-digits", dataset=Synthetic(num_classes=7, channels=2)).classifier.out_features == 7
    assert benchbase.build_model("vgg-digits", num_classes=3, in_channels=2, dataset="digits").features[0].in_channels == 2
    assert benchbase.build_model("resnet20", 5).conv1.in_channels == 3 and benchbase.build_model("vgg-digits", 5).features[0].in_channels == 1
    with pytest.raises(BenchError, match="how many classes"):
        benchbase.build_model("vgg16")
    with pytest.raises(BenchError, match="unknown model 'vgg61'"):
        benchbase.build_model("vgg61", 10)


def test_trace_and_count_leave_the_model_alone(mine):
    before, state = look(mine), global_state()
    groups = benchbase.trace(mine, torch.zeros(2, 1, 8, 8))
    cost = benchbase.count(mine, torch.zeros(2, 1, 8, 8))
    assert look(mine) == before and moved(state, global_state()) == ""
    assert [(g.name, g.width, g.inner) for g in groups] == [("one", 8, True), ("two", 6, True)]
    assert cost == Cost(params=80 + 16 + 432 + 28, macs=36 * 72 + 16 * 432 + 24, nonzero=80 + 8 + 432 + 28, macs_nonzero=36 * 72 + 16 * 432 + 24)


def test_build_from_a_pruned_folder(tmp_path):
    dense = benchbase.build_model("vgg-digits", dataset="digits")
    named = Architecture("vgg-digits", 10, (1, 8, 8))
    pruned = prune_network(dense, L1Norm(), Budget(ratio=0.5), None, torch.zeros(2, 1, 8, 8), architecture=named)
    folder = write_folder(pruned, tmp_path / "out")
    made = [benchbase.build(a, seed=3) for a in (pruned.architecture, folder / "architecture.json", str(folder / "architecture.json"),
                                                 json.loads((folder / "architecture.json").read_text()))]
    made.append(benchbase.build(pruned.architecture, seed=4))
    digests = [digest_of(m.state_dict()) for m in made]
    assert len(set(digests[:4])) == 1 and digests[4] != digests[0]
    assert [p.shape for p in made[0].parameters()] == [p.shape for p in pruned.model.parameters()]
    with pytest.raises(BenchError, match="cannot read"):
        benchbase.build(tmp_path / "none.json")


def test_build_of_ones_own_network(mine):
    pruned = benchbase.prune(mine, "l1-norm", 0.5, example=torch.zeros(2, 1, 8, 8))
    with pytest.raises(BenchError, match="cannot be made by name: unknown model 'Mine'") as caught:
        benchbase.build(pruned.architecture)
    assert caught.value.todo.startswith("give model=")
    small = benchbase.build(pruned.architecture, seed=1, model=Mine)
    assert small.two.weight.shape == (3, 4, 3, 3) and not torch.equal(small.two.weight, pruned.model.two.weight)
    masked = Architecture("Mine", 4, (1, 8, 8), masks="0" * 64)
    with pytest.raises(BenchError, match="masks and none were given"):
        benchbase.build(masked, model=Mine)


@pytest.mark.parametrize(("arguments", "word"), [
    (("l1-nrom", 0.5), "unknown method"), (("l1-norm", 1.5), "out of range"), (("l1-norm", "vgg16-z"), "unknown budget"),
    (("l1-norm", {"ratoi": 1}), "budget key"),
    ((3, 0.5), "not a method"), (("l1-norm", float("nan")), "not a number"), (("thinet", 0.5), "thinet")])
def test_what_is_wrong_is_said(mine, arguments, word):
    with pytest.raises(BenchError, match=word):
        benchbase.prune(mine, *arguments, example=torch.zeros(2, 1, 8, 8))
    with pytest.raises(BenchError, match="unknown dataset"):
        benchbase.prune(mine, "l1-norm", 0.5, data="digist")


def test_ones_own_method_in_a_cell_of_a_notebook(mine):
    class First(Method):
        name = "first"

        def select(self, net, data, budget):
            return Selection({g.name: tuple(range(budget.keep(g))) for g in net.groups})

    pruned = benchbase.prune(mine, First, 0.5, example=torch.zeros(2, 1, 8, 8))
    torch.testing.assert_close(pruned.model.one.weight, mine.one.weight[:4])


def test_export_by_the_file_s_name(mine, tmp_path):
    written = benchbase.export(mine, tmp_path / "net.pt2", torch.zeros(2, 1, 8, 8))
    assert written.path.is_file() and written.difference < 1e-6 and mine.training
    with pytest.raises(BenchError, match="which format"):
        benchbase.export(mine, tmp_path / "net.pth", torch.zeros(2, 1, 8, 8))


def test_groups_may_be_keys(mine):
    groups = benchbase.trace(mine, torch.zeros(2, 1, 8, 8))
    assert {group: group.name for group in groups}[groups[0]] == "one" and groups[0] != groups[1]
