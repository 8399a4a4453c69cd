"""Names looked up through really installed plugins."""
from __future__ import annotations

import json
from types import ModuleType

import click
import pytest

from benchbase import Budget, Method, hookimpl
from benchbase.errors import BenchError
from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins, load_plugins
from benchbase_plugins.models.vgg import vgg_digits


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(["benchbase"])


def of(**hooks) -> Plugins:
    """One plugin with the given hooks."""
    module = ModuleType("one")
    vars(module).update({name: hookimpl(function) for name, function in hooks.items()})
    return Plugins(opened([("one", "somewhere", "1", module)]))


def test_everything_of_the_contract_is_offered(plugins):
    names = {kind: {o.name for o in plugins.offers(kind)} for kind in ("methods", "models", "datasets", "protocols", "executors", "budgets")}
    assert {"l1-norm", "thinet", "random", "uniform"} <= names["methods"]
    assert {"vgg11", "vgg13", "vgg16", "vgg19", "vgg19-bias", "vgg-digits", "resnet-digits"} <= names["models"]
    assert {f"resnet{depth}" for depth in (20, 32, 44, 56, 110)} <= names["models"]
    assert {"digits", "digits-iid", "cifar10", "cifar100", "imagefolder", "synthetic"} <= names["datasets"]
    assert {"one-shot", "finetune", "finetune-matched", "scratch-e", "scratch-b", "scratch-b-cap2", "scratch-matched",
            "unpruned-long"} <= names["protocols"]
    assert {"serial", "processes"} <= names["executors"] and {"vgg16-a", "resnet56-b", "thinet-50"} <= names["budgets"]
    assert plugins.broken == () and all(o.doc for kind in names for o in plugins.offers(kind))
    assert all(o.paper for o in plugins.offers("methods"))


def test_a_method_with_parameters(plugins):
    found = plugins.method("thinet[images=64]")
    assert (found.value.name, found.value.images, found.value.positions) == ("thinet", 64, 10)
    assert (found.offer.name, found.offer.plugin, found.offer.distribution, found.offer.source) == ("thinet", "thinet", "benchbase", "")


def test_data_sets_with_a_path(plugins):
    found = plugins.dataset("imagefolder:/data/flowers[size=32,name=flowers32]").value
    assert (found.path, found.size, found.name) == ("/data/flowers", 32, "flowers32")
    assert plugins.dataset("synthetic[size=16]").value.shape == (1, 16, 16)
    for text, word in (("digits:/data", "takes no path"), ("imagefolder:/a[path=/b]", "two paths"), ("dgits", "'digits'"),
                       ("dgits:/x", "unknown dataset 'dgits'")):
        with pytest.raises(BenchError) as caught:
            plugins.dataset(text)
        assert word in str(caught.value)


def test_models_by_both_spellings_and_by_library(plugins):
    assert plugins.model("vgg-digits").__name__ == plugins.model("vgg_digits").__name__ == vgg_digits.__name__
    spelled = {"vgg_digits": "vgg-digits", "vgg-digits": "vgg-digits", "timm:a_b": "timm:a_b", "nobody_knows": "nobody_knows"}
    assert {name: plugins.model_name(name) for name in spelled} == spelled
    assert plugins.model("torchvision:resnet18")(7).fc.out_features == 7


@pytest.mark.parametrize(("ask", "what", "todo"), [
    (lambda p: p.method("thinnet"), "unknown method 'thinnet'", "'thinet'"), (lambda p: p.method("l1_norm"), "unknown method", "'l1-norm'"),
    (lambda p: p.model("vgg61"), "unknown model 'vgg61'", "'vgg16'"),
    (lambda p: p.model("torchvision:resnet81"), "torchvision has no model", "resnet18"),
    (lambda p: p.model("elsewhere:x"), "unknown model 'elsewhere:x'", "known"), (lambda p: p.protocol("scratch"), "unknown protocol", "scratch-"),
    (lambda p: p.executor("serail"), "unknown executor", "'serial'"), (lambda p: p.budget("vgg16-z"), "unknown budget", "'vgg16-a'"),
    (lambda p: p.offers("method"), "unknown kind", "'methods'"), (lambda p: p.offer("metrics", "x"), "unknown metric 'x'", "no plugin offers any"),
    (lambda p: p.method("thinet[imgs=3]"), "unknown parameter of thinet", "'images'")])
def test_unknown_names_have_near_misses(plugins, ask, what, todo):
    with pytest.raises(BenchError) as caught:
        ask(plugins)
    assert what in caught.value.what and todo in caught.value.todo and "\n" not in caught.value.what + caught.value.todo


def test_budgets_in_every_form(plugins, tmp_path):
    (tmp_path / "mine.yaml").write_text("ratios: {'features.*': 0.25}\n")
    assert plugins.budget(0.5) == plugins.budget("0.5") == Budget(ratio=0.5) and plugins.budget({"macs": 0.5}) == plugins.budget("macs=0.5")
    assert plugins.budget("vgg16-a") == plugins.budgets()["vgg16-a"] and plugins.budget("vgg16-a").label == "vgg16-a"
    mine = plugins.budget(str(tmp_path / "mine.yaml"))
    assert mine == Budget(ratios={"features.*": 0.25}) and mine.label == "mine"
    assert plugins.budget(Budget(params=0.5)) == Budget(params=0.5)


def test_a_name_that_a_broken_plugin_may_have_had(on_path):
    on_path("broken")
    plugins = load_plugins()
    with pytest.raises(BenchError) as caught:
        plugins.method("import-error")
    assert "plugin import-error (bench-broken) failed to load: ModuleNotFoundError: No module named 'a_library_that_nobody_has'" in caught.value.todo
    assert "unmarked" in caught.value.todo and "bench list" in caught.value.todo and "TypeError" not in caught.value.todo
    assert {(b.plugin, b.error) for b in plugins.broken} >= {("raises", "ValueError: no data today"),
                                                             ("nonsense", "TypeError: int '42' is no subclass of benchbase.Method")}
    assert plugins.protocol("as-base").start == "fresh", "a plugin's other hooks are as good as before"
    assert plugins.method("survivor[offset=1]").value.offset == 1 and plugins.method("thinet") and plugins.dataset("digits")


def test_names_that_bench_plugins_leaves_out(monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", " digits, l1-norm,")
    plugins = load_plugins()
    assert [o.name for o in plugins.offers("methods")] == ["l1-norm"] and plugins.executor("serial").name == "serial"
    with pytest.raises(BenchError, match="unknown method 'thinet'") as caught:
        plugins.method("thinet")
    assert "BENCH_PLUGINS leaves out" in caught.value.todo and "thinet" in caught.value.todo
    monkeypatch.setenv("BENCH_PLUGINS", "digit")
    with pytest.raises(BenchError, match="unknown plugin"):
        load_plugins()
    monkeypatch.setenv("BENCH_PLUGINS", "")
    assert load_plugins().method("thinet")


def test_a_clash_names_both_packages_and_leaves_other_kinds_alone(on_path):
    on_path("clashing")
    plugins = load_plugins()
    for ask in (lambda: plugins.method("thinet"), lambda: plugins.offers("methods"), lambda: plugins.method("l1-norm")):
        with pytest.raises(BenchError) as caught:
            ask()
        assert all(word in caught.value.what for word in ("'l1-norm'", "bench-clashing (plugin l1-again)", "benchbase (plugin l1-norm)"))
    assert plugins.dataset("digits") and plugins.model("vgg16") and plugins.broken == ()
    assert load_plugins(["bench-clashing"]).method("l1-norm").offer.distribution == "bench-clashing"


def test_a_stranger_is_as_good_as_anyone(installed, python):
    code = ("import json; from benchbase.plugin.manager import load_plugins; p = load_plugins(); found = p.method('geometric-median');"
            "print(json.dumps([found.offer.distribution, found.offer.version, found.offer.doc, p.model('plain_cnn').__name__,"
            "p.dataset('gratings').value.shape])); import sys; sys.exit('torch' in sys.modules)")
    done = python("-c", code, path=installed("stranger"))
    assert done.returncode == 0, done.stderr
    distribution, version, doc, model, shape = json.loads(done.stdout)
    assert (distribution, version, model, shape) == ("bench-stranger", "0.3.0", "plain_cnn", [2, 10, 10]) and doc.startswith("Removes the filters")


def test_open_model_hooks_that_are_wrong():
    def bad(name):
        raise RuntimeError("out of order")

    def odd(name):
        return 3 if name == "odd" else None

    for hook, error in ((bad, "RuntimeError: out of order"), (odd, "TypeError: bench_open_model returned int, not a function")):
        plugins = of(bench_open_model=hook)
        with pytest.raises(BenchError, match="unknown model 'odd'") as caught:
            plugins.model("odd")
        assert error in caught.value.todo and [b.error for b in plugins.broken] == [error]


def test_commands_and_observers_that_are_wrong():
    cli = click.Group("bench", commands=[click.Command("run")])
    taken, raising, odd = (of(bench_commands=hook) for hook in (lambda cli: [click.Command("run")], lambda cli: 1 / 0, lambda cli: [3]))
    with pytest.raises(BenchError, match="two plugins offer the verb 'run': benchbase and somewhere"):
        taken.commands(cli)
    for plugins in (raising, odd):
        assert plugins.commands(cli) == [] and len(plugins.broken) == 1
    calls = []
    observer = of(bench_stage_done=lambda event: calls.append(event) or 1 / 0)
    observer.stage_done("one")
    observer.stage_done("two")
    assert calls == ["one", "two"] and [b.error for b in observer.broken] == ["ZeroDivisionError: division by zero"]
    assert observer.failed_observers == observer.broken and raising.failed_observers == ()
    opener = of(bench_sweep_begins=lambda cells: calls.append(cells) or 1 / 0, bench_epoch_done=lambda event: calls.append(event) or 1 / 0)
    opener.sweep_begins(7)
    opener.epoch_done("epoch")
    assert calls[2:] == [7, "epoch"] and len(opener.failed_observers) == 2


def test_hooks_are_called_once():
    calls = []

    class Once(Method):
        name = "once"

        def select(self, net, data, budget): ...

    plugins = of(bench_methods=lambda: calls.append(1) or [Once])
    assert plugins.method("once").value and plugins.offers("methods") and plugins.broken == () and calls == [1]
    plugins.offers("methods").clear()
    assert len(plugins.offers("methods")) == 1
