"""The README's code runs as it stands, and its commands are the ones that the gate calls."""
from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import benchbase

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_notebook_way(capsys):
    told: dict[str, Any] = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), told)
    dense, pruned = map(int, capsys.readouterr().out.split(" -> "))
    assert pruned < 0.65 * dense
    again = benchbase.build(told["pruned"].architecture, model=told["torchvision"].models.resnet18)
    assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in told["pruned"].model.named_parameters()}
    assert len(BLOCKS[1].splitlines()) == 5


def test_the_protocols_on_ones_own_loaders(capsys):
    """On a network that trains in no time where the text has a ResNet-18."""
    import torch
    from torch import nn

    def small():
        return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    torch.manual_seed(0)
    net, images = small(), torch.randn(64, 3, 16, 16)
    told: dict[str, Any] = {"torch": torch, "benchbase": benchbase, "net": net, "images": images, "pruned": benchbase.prune(net, "l1-norm", 0.5, example=images),
                            "torchvision": SimpleNamespace(models=SimpleNamespace(resnet18=small))}
    exec(compile(BLOCKS[1], "README.md", "exec"), told)
    dense, left = (benchbase.count(model, images[:2]).macs for model in (net, told["pruned"].model))
    assert [row.protocol for row in told["results"]] == ["unpruned", "finetune", "scratch-b"]
    assert [told["results"][name].epochs for name in ("finetune", "scratch-b")] == [1, 2 * dense // left]
    assert "finetune - scratch-b: " in capsys.readouterr().out


def test_the_method_in_a_file(tmp_path):
    assert len(BLOCKS[2].splitlines()) <= 25
    told: dict[str, Any] = {}
    exec(compile(BLOCKS[2], "README.md", "exec"), told)
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


def test_the_verbs_of_a_days_work_have_what_they_need():
    """Settings and folders of each command in Development; that lint and types pass is for test_quality to say."""
    verbs = re.findall(r"^ {4}(\S.*?) {2,}# (test|lint|types|speed|page)", TEXT, re.MULTILINE)
    assert verbs == [("pytest tests/board", "test"), ("ruff check .", "lint"), ("mypy", "types"), ("pytest benchmarks/speed", "speed"),
                     ("bench leaderboard build", "page")]
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "[tool.ruff.lint]" in settings and re.search(r'\[tool\.mypy\]\npackages = \["benchbase"\]\nstrict = true', settings)
    assert list((ROOT / "tests/board").glob("test_*.py")) and list((ROOT / "benchmarks/speed").glob("test_*.py"))


def test_the_changelog_begins_with_the_version_there_is():
    versions = re.findall(r"^### (\d+\.\d+\.\d+)$", TEXT, re.MULTILINE)
    assert f"\nversion = {versions[0]}\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"\nversion: {versions[0]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert versions == sorted(versions, key=lambda v: [*map(int, v.split("."))], reverse=True)


def test_what_it_names_is_there():
    from benchbase.cli.app import VERBS

    names = re.findall(r"`benchbase\.(\w+)`", TEXT)
    assert {"prune", "run_protocols", "csv_cell"} & {*names} and {*names} - {"__all__"} <= set(benchbase.__all__)
    log = TEXT[TEXT.index("## Changelog"):]
    assert {*re.findall(r"`(\w+)`", log)} <= {*VERBS, *benchbase.__all__}
    links = {link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT)}
    assert all((ROOT / link).exists() for link in links)
    anchors = [link.partition("#")[::2] for link in re.findall(r"\]\((?!https?:)([^)]+#[^)]+)\)", TEXT)]
    assert anchors and all(anchor in headings(ROOT / file) for file, anchor in anchors)


def headings(file: Path) -> set[str]:
    """What a link to a heading of a Markdown file says behind its #."""
    return {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)}
