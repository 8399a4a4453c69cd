"""One photograph as 224 x 224 pixels; and as a program, a process that does this for another one. Of all packages it needs Pillow alone."""
from __future__ import annotations

import json
import math
import sys
from typing import BinaryIO

SIZE, SHORTER = 224, 256
TRIES, AREA, ASPECT = 10, (0.08, 1.0), (3 / 4, 4 / 3)  # of a random crop, as torchvision's RandomResizedCrop
BYTES = 3 * SIZE * SIZE  # of one decoded image
DONE, FAILED = b"+", b"-"  # what a reply begins with

Box = tuple[float, float, float, float]


def decode(file: str, draws: list[list[float]] | None) -> bytes:
    """The image, uint8 (3, 224, 224): its centre, or the first crop that fits of those that `draws` say.

    A JPEG is decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 at which what is cut out of it still has 224 pixels a side: what is left
    out would be averaged away by the resizing that follows. Raises what Pillow raises for a file that it cannot read.
    """
    from PIL import Image

    with Image.open(file) as image:
        width, height = image.size
        box = crop(width, height, draws) if draws else centre(width, height)
        by = reduction(box)
        if by > 1 and image.draft(image.mode, (width // by, height // by)):  # None where the format knows no scales
            box = tuple(min(side / by, most) for side, most in zip(box, image.size * 2))  # type: ignore[assignment]
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return b"".join(band.tobytes() for band in rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box).split())


def reduction(box: Box) -> int:
    """8, 4, 2 or 1: by how much a JPEG may be reduced while it is decoded, so that the box still has 224 pixels a side."""
    side = min(box[2] - box[0], box[3] - box[1])
    return next(by for by in (8, 4, 2, 1) if by == 1 or side >= by * SIZE)


def centre(width: int, height: int) -> Box:
    """The box (left, upper, right, lower) that becomes 224 x 224 when the shorter side becomes 256."""
    side = min(width, height) * SIZE / SHORTER
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side


def crop(width: int, height: int, draws: list[list[float]]) -> Box:
    """A random box: area and the logarithm of its aspect drawn evenly, then its place; the centre where none of the tries fits."""
    for area, aspect, x, y in draws:
        size = width * height * (AREA[0] + area * (AREA[1] - AREA[0]))
        shape = math.exp(math.log(ASPECT[0]) + aspect * (math.log(ASPECT[1]) - math.log(ASPECT[0])))
        w, h = round(math.sqrt(size * shape)), round(math.sqrt(size / shape))
        if 0 < w <= width and 0 < h <= height:
            left, upper = int(x * (width - w + 1)), int(y * (height - h + 1))
            return left, upper, left + w, upper + h
    return centre(width, height)


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Answer each line of JSON [file, draws] with DONE and the image's bytes, or with FAILED and a line that names the error, until there are no more."""
    for line in asked:
        try:
            reply = DONE + decode(*json.loads(line))
        except Exception as error:  # noqa: BLE001 -- decoders raise what they like on a damaged file
            reply = FAILED + type(error).__name__.encode() + b"\n"
        told.write(reply)
        told.flush()


if __name__ == "__main__":
    del sys.path[0]  # the other data sets' folder
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # who asked is gone
        sys.stdout = None  # type: ignore[assignment]
