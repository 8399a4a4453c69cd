"""Every wrong command and file that a run can be given: exit 2, two lines, nothing half-written."""
from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from .conftest import bench, tree

SUITES = {"broken": "methods: [thinet", "key": "methods: [thinet]\nmethodz: [a]\n", "seeds": "methods: [thinet]\nseeds: a-b\n",
          "recipe": "methods: [thinet]\nrecipe: {lrr: 1}\n", "list": "- thinet\n", "nan": "methods: [thinet]\nbudgets: [.nan]\n",
          "budget": "methods: [thinet]\nbudgets: [{ratios: {'*': 2}}]\n", "tag": "methods: !!python/object/apply:os.system ['true']\n"}
PNG = b"\x89PNG\r\n\x1a\n not really"


def folders(root: Path) -> None:
    """Suites; images that are missing, empty, corrupt or outside of class folders; files where folders should be."""
    for name, text in SUITES.items():
        (root / f"{name}.yaml").write_text(text)
    (root / "file").write_text("in the way")
    (root / "empty").mkdir()
    for part in ("train/a", "train/b", "test/a", "test/b"):
        for kind in ("corrupt", "hollow"):
            (root / kind / part).mkdir(parents=True)
        (root / "corrupt" / part / "x.png").write_bytes(PNG)
    (root / "lb" / "v1").mkdir(parents=True)
    (root / "lb" / "v1" / "records").write_text("in the way")
    (root / "mine.py").write_text("from benchbase import Method\nclass Bad(Method):\n    pass\nx = 1\n")
    (root / "torn.py").write_text("def (\n")


@pytest.mark.parametrize("words, what", [
    ("", "there is nothing to run"), ("--model vgg16", "there is nothing to run"), ("thinet", "unknown suite 'thinet'"),
    ("-m thinnet", "unknown method 'thinnet'"), ("-m ''", "unknown method ''"), ("-m 'thinet[imges=3]'", "unknown parameter of thinet 'imges'"),
    ("-m 'thinet[images=x]'", "is not a whole number"), ("-m 'thinet[images=0]'", "makes no sense"), ("-m 'thinet['", "bracket"),
    ("-m thinet -m thinet", "asked for twice"), ("-m ./nowhere.py:A", "no file"), ("-m ./torn.py:A", "torn.py"), ("-m ./mine.py:A", "'A'"),
    ("-m ./mine.py:Bad", "Bad"), ("-m thinet --model vgg-digit", "unknown model"),
    ("-m thinet --model torchvision:resnet19", "no model 'resnet19'"), ("-m thinet --dataset digit", "'digit'"),
    ("-m thinet --protocol scratch", "unknown protocol"), ("-m thinet --budget 0", "out of range"), ("-m thinet --budget 1", "out of range"),
    ("-m thinet --budget -0.5", "out of range"), ("-m thinet --budget nan", "not a number"), ("-m thinet --budget inf", "out of range"),
    ("-m thinet --budget macs=1.5", "out of range"), ("-m thinet --budget compression=1", "removes nothing"),
    ("-m thinet --budget vgg16-z", "unknown budget"), ("-m thinet --budget nowhere.yaml", "cannot read nowhere.yaml"),
    ("-m thinet --budget key.yaml", "unknown budget key"), ("-m l1-norm --budget 0.999", "leaves nothing of features.0"),
    ("-m thinet --seeds a-b", "seeds 'a-b' are not seeds"), ("-m thinet --seeds 5-1", "are not seeds"), ("-m thinet --seeds -1", "are not seeds"),
    ("-m thinet --seeds ''", "are not seeds"), ("broken.yaml", "not YAML"), ("key.yaml", "unknown suite key 'methodz'"),
    ("seeds.yaml", "are not seeds"), ("recipe.yaml", "unknown recipe field 'lrr'"), ("list.yaml", "not a table"), ("nan.yaml", "not a number"),
    ("budget.yaml", "out of range"), ("tag.yaml", "not YAML"), ("nowhere.yaml", "cannot read"), ("nowhere", "unknown suite"),
    ("empty", "cannot read"), ("file", "not a table"), ("-m thinet --set lr=3", "sets nothing"), ("-m thinet --set recipe.lr=x", "recipe.lr"),
    ("-m thinet --set recipe.lr=nan", "recipe.lr"), ("-m thinet --set recipe.foo=1", "unknown recipe field 'foo'"),
    ("-m thinet --epochs x", "--epochs"), ("-m thinet --epochs -1", "recipe.epochs"), ("-m thinet --device gpu", "unknown device"),
    ("-m thinet --device cuda:99", "cuda:99"), ("-m thinet --precision fp16", "--precision"), ("-m thinet --executor rai", "unknown executor"),
    ("-m thinet --jobs 0", "--jobs"), ("-m thinet --threads 0", "--threads"), ("-m thinet --rerun some", "--rerun"),
    ("-m thinet --time-limit soon", "time limit 'soon'"), ("-m thinet a.yaml b.yaml", "unexpected extra argument"),
    ("-m thinet --leaderboard file", "cannot write the leaderboard"), ("-m thinet --leaderboard file/x", "cannot write the leaderboard"),
    ("-m thinet --leaderboard lb", "cannot write the leaderboard"), ("-m thinet --store file", "cannot write the store"),
    ("-m thinet --data file", "no data folder"), ("-m thinet --dataset imagefolder", "needs a folder"),
    ("-m thinet --dataset imagefolder:nowhere", "no folder 'nowhere'"), ("-m thinet --dataset imagefolder:empty", "no folder train"),
    ("-m thinet --dataset imagefolder:hollow", "has no images"), ("-m thinet --dataset imagefolder:corrupt", "cannot read train/a/x.png"),
    ("-m thinet --dataset 'imagefolder:corrupt[size=-1]'", "is negative"),
    ("-m thinet --dataset 'imagefolder:corrupt[sise=1]'", "unknown parameter"), ("-m thinet --dataset digits:here", "takes no path")])
def test_exit_2_two_lines_nothing_written(here, words, what):
    folders(here)
    before = tree(here)
    said = bench("run", *shlex.split(words))
    assert (said.code, said.out, len(said.lines)) == (2, "", 2), said
    assert what in said.lines[0] and "Traceback" not in said.err and 3 < len(said.lines[1])
    assert {k: v for k, v in tree(here).items() if "__pycache__" not in k} == before


@pytest.mark.parametrize("args", [("-m", "thinnet"), ("-m", "thinet", "--seeds", "a-b"), ("key.yaml",), ("-m", "thinet", "--leaderboard", "file")])
def test_plan_says_the_same(here, args):
    folders(here)
    run, plan = bench("run", *args), bench("plan", *args)
    assert (plan.code, plan.err) == (run.code, run.err) and bench("run", *args, "--dry-run").err == run.err


def test_cuda_where_there_is_none(here):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    said = bench("run", "-m", "thinet", "--device", "cuda")
    assert (said.code, said.lines) == (2, ["error: device cuda asked for, and 0 CUDA devices are here", "use --device cpu, or see `bench doctor`"])
