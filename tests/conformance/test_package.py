from __future__ import annotations

import importlib

import pytest

from benchbase.conformance import walk
from benchbase.plugin.manager import load_plugins


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A package of two plugins on the path: one that brings torch, one that cannot be imported."""
    info = tmp_path / "heavy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[benchbase]\nbrings-torch = brings_torch\nbroken = cannot_be_imported\n")
    (tmp_path / "brings_torch.py").write_text("import torch.nn\nfrom benchbase import hookimpl\n@hookimpl\ndef bench_protocols():\n    return []\n")
    (tmp_path / "cannot_be_imported.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def test_torch_at_the_top_is_found_and_a_broken_import_too(site, tmp_path):
    found = {f.subject: (f.check, f.what) for c in walk.cases(load_plugins(), ["heavy"], tmp_path) for f in walk.run(c).findings}
    assert set(found) == {"plugin brings-torch", "plugin broken"}
    assert found["plugin brings-torch"][0] == "light-import" and "importing brings_torch imports torch" in found["plugin brings-torch"][1]
    assert found["plugin broken"][0] == "loads" and "nothing_of_that_name" in found["plugin broken"][1]
