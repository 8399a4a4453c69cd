"""Made-up photographs that cost a JPEG decoder what real ones do."""
from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, DISTINCT = 10, 200


def photograph(rng: np.random.Generator, width: int, height: int) -> bytes:
    """A JPEG of quality 90: smooth fields of four sizes over each other, with grain. At 500 x 375 it has about 84 kB."""
    total = np.full((height, width, 3), 128.0)
    for cells, strength in ((4, 90), (12, 45), (40, 22), (120, 12)):
        coarse = rng.normal(0, strength, (3, cells * height // width + 1, cells)).astype(np.float32)
        total += np.stack([np.asarray(Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC)) for c in coarse], 2)
    grainy = total + rng.normal(0, 11, (height, width, 1))
    Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(coded := io.BytesIO(), "JPEG", quality=90)
    return coded.getvalue()


def write(root: Path, counts: Mapping[str, int]) -> None:
    """root/imagenet/SPLIT/n0 ... n9/*.JPEG, so many a split, 500 x 375: `DISTINCT` pictures again and again, each time as a file of its own."""
    rng = np.random.default_rng(0)
    pictures = [photograph(rng, 500, 375) for _ in range(min(DISTINCT, max(counts.values())))]
    for split, count in counts.items():
        for label in range(CLASSES):
            (root / "imagenet" / split / f"n{label}").mkdir(parents=True)
        for i in range(count):
            (root / "imagenet" / split / f"n{i % CLASSES}" / f"{i:05}.JPEG").write_bytes(pictures[i % len(pictures)])
