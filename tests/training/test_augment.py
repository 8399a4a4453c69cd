from __future__ import annotations

import pytest
import torch

from benchbase.training.augment import crop_flip


def slow(images, generator, pad, flip):
    """Image by image, by slices, with the same draws."""
    n, _, height, width = images.shape
    top, left = torch.randint(0, 2 * pad + 1, (2, n), generator=generator).tolist()
    mirrored = (torch.rand(n, generator=generator) < 0.5).tolist() if flip else [False] * n
    out = []
    for image, y, x, mirror in zip(images, top, left, mirrored, strict=True):
        canvas = torch.zeros(len(image), height + 2 * pad, width + 2 * pad, dtype=image.dtype)
        canvas[:, pad:pad + height, pad:pad + width] = image
        cut = canvas[:, y:y + height, x:x + width]
        out.append(cut.flip(2) if mirror else cut)
    return torch.stack(out)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("pad", "flip"), [(4, True), (1, False), (0, True), (0, False)])
def test_equals_slicing_image_by_image(dtype, pad, flip):
    images = torch.randint(1, 255, (33, 3, 7, 9)).to(dtype)
    got = crop_flip(images, torch.Generator().manual_seed(3), pad, flip)
    want = slow(images, torch.Generator().manual_seed(3), pad, flip)
    assert got.dtype == dtype and torch.equal(got, want)


def test_every_shift_and_both_sides_occur_equally():
    images = torch.zeros(20000, 1, 5, 5, dtype=torch.uint8)
    images[:, 0, 2, 1] = 1  # off the middle, so that a mirrored one is known by its column
    got = crop_flip(images, torch.Generator().manual_seed(0), pad=1, flip=True)
    counts = got.sum(0)[0].double() / len(images)
    assert counts[0].sum() == counts[4].sum() == 0
    # columns 0..2 unmirrored, 2..4 mirrored: 1/6 each, the middle from both sides
    assert torch.allclose(counts[1:4].sum(0), torch.tensor([1, 1, 2, 1, 1], dtype=torch.float64) / 6, atol=0.015)
    assert torch.allclose(counts[1:4].sum(1), torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.015)
