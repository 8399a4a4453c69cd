"""How many threads a worker takes: said in the environment, before torch is imported."""
from __future__ import annotations

import os


class one_thread:
    """Environment of the workers: one thread that does not spin while it waits (spinning beside a busy process costs up to 70x)."""

    NAMES = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self.NAMES}
        os.environ.update(self.NAMES)

    def __exit__(self, *error: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def worker_environment(threads: int) -> dict[str, str]:
    """Environment of a worker on whatever machine: as `one_thread`, with so many threads; and which plugins it loads."""
    counts = {name: value if name == "OMP_WAIT_POLICY" else str(threads) for name, value in one_thread.NAMES.items()}
    return {**counts, **{name: value for name, value in os.environ.items() if name == "BENCH_PLUGINS"}}
