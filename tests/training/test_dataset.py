from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchbase.training.dataset import Dataset


def test_defaults_are_the_papers():
    base, tuned = Dataset.recipe, Dataset.finetune
    assert (base.epochs, base.batch_size, base.lr, base.momentum, base.weight_decay, base.nesterov) == (160, 64, 0.1, 0.9, 1e-4, False)
    assert [base.lr_at(e / 160) for e in (0, 79, 80, 119, 120, 159)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert (tuned.epochs, tuned.batch_size) == (40, 64) and {tuned.lr_at(e / 40) for e in range(40)} == {0.001}


def test_declaring_a_data_set_needs_no_torch():
    code = "import sys, benchbase.training.dataset; sys.exit(bool({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_who_overrides_stream_streams(Tiny):
    class Stream(Dataset):
        def stream(self, root, split, batch_size, generator):
            yield from ()

    assert Stream().streams and not Tiny().streams


def test_neither_load_nor_stream():
    with pytest.raises(NotImplementedError, match="neither load"):
        Dataset().load(Path(), "train")
