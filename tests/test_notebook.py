"""The example notebook runs from its first cell to its last, and is as short as it says."""
from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FILE = Path(__file__).parent.parent / "benchmarks" / "notebooks" / "prune_your_own.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[nbformat.NotebookNode]:
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(FILE, as_version=4)
    nbformat.validate(notebook)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_DATA_DIR"):
            patch.setenv(name, str(folder / name))
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    assert (folder / "digits.onnx").is_file()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/html", "") + output.get("text", "") for output in cell.outputs)


def test_it_prunes_and_answers_in_tables(cells):
    _, prune, groups, run, export = cells
    assert "<table><caption>Net</caption>" in shown(prune) and "'stem': 16" in shown(groups) and "[('stem', 32)]" in shown(groups)
    for protocol in ("unpruned", "one-shot", "finetune", "scratch-e", "scratch-b"):
        assert f"<td>{protocol}</td>" in shown(run)
    assert "differs by" in shown(export)


def test_five_lines_prune_and_five_more_run_the_protocols():
    code = [cell.source for cell in nbformat.read(FILE, as_version=4).cells if cell.cell_type == "code"]
    assert all(len(block.splitlines()) <= 5 for block in (code[1], code[3]))
