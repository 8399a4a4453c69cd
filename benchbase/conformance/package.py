"""Checks of a plugin as it is installed: it loads, and its module brings no torch."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

from benchbase.conformance.finding import Unchecked
from benchbase.plugin.load import GROUP
from benchbase.plugin.manager import Plugins

HEAVY = ("torch", "torchvision", "timm")
PROGRAM = f"""import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except BaseException:
    pass
print(*(name for name in {HEAVY} if name in sys.modules))
"""


def loads(plugins: Plugins, plugin: str) -> Iterator[tuple[str, str]]:
    """Its module imports, its hooks answer, what they return is what hooks return, and no name of it is taken."""
    from benchbase.errors import BenchError
    from benchbase.plugin.offers import KINDS, no_clash

    for broken in plugins.broken:
        if broken.plugin == plugin:
            yield f"it cannot be used: {broken.error}", "mend that; `bench list` then shows what it offers"
    for kind in KINDS:
        offers = plugins.every(kind)
        mine = {offer.name for offer in offers if offer.plugin == plugin}
        try:
            no_clash(offer for offer in offers if offer.name in mine)
        except BenchError as error:
            yield error.what, "give yours another name"


def light_import(plugins: Plugins, plugin: str) -> Iterator[tuple[str, str]]:
    """Importing the module that the entry point names imports no torch, in a process of its own."""
    point = next((p for p in entry_points(group=GROUP) if p.name == plugin), None)
    if point is None:
        raise Unchecked("it has no entry point in this environment")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM, point.module], capture_output=True, text=True, check=False, env=env)
    if heavy := done.stdout.split():
        yield (f"importing {point.module} imports {', '.join(heavy)}, which takes seconds at every `bench list`",
               "import it inside the functions that use it, and put networks and callbacks that need it at class level into a sibling module, _net.py")


CHECKS = (("loads", loads), ("light-import", light_import))
