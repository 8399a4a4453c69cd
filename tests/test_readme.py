"""The README's code runs as it stands, and its commands are the ones that the gate calls."""
from __future__ import annotations

import re
from pathlib import Path

import benchbase

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_notebook_way(capsys):
    told: dict[str, object] = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), told)
    dense, pruned = map(int, capsys.readouterr().out.split(" -> "))
    assert pruned < 0.65 * dense
    again = benchbase.build(told["pruned"].architecture, model=told["torchvision"].models.resnet18)
    assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in told["pruned"].model.named_parameters()}


def test_the_method_in_a_file(tmp_path):
    assert len(BLOCKS[1].splitlines()) <= 25
    told: dict[str, object] = {}
    exec(compile(BLOCKS[1], "README.md", "exec"), told)
    method = told["GeometricMedian"]()
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3), torch.nn.Flatten())
    net[0].weight.data[5] = net[0].weight.data[[0, 1, 2, 3, 4, 6, 7]].mean(0)  # the others' median: the first to go
    pruned = benchbase.prune(net, method, 0.125, example=torch.zeros(2, 3, 8, 8))
    assert pruned.selection.kept["0"] == (0, 1, 2, 3, 4, 6, 7)


def test_the_gate_calls_the_readmes_test_command():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^    pip install -e '\.\[test\]' && pytest$", TEXT, re.MULTILINE) and "README.md" in gate


def test_every_verb_in_the_readme_is_there():
    from click.testing import CliRunner

    from benchbase.cli.app import cli

    verbs = set(re.findall(r"^ {4}bench ([a-z]+)", TEXT, re.MULTILINE))
    assert {"run", "plan", "prune", "list", "show", "explain", "leaderboard", "doctor"} <= verbs
    listed = CliRunner().invoke(cli, ["--help"]).output
    assert all(re.search(rf"^  {verb}\b", listed, re.MULTILINE) for verb in verbs)
