"""One bit a test image, as text: which images a network got right."""
from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

MAX_BITS = 1 << 26


def pack_bits(bits: Sequence[bool]) -> str:
    """base64(zlib(bits)), eight a byte, the first image in the highest bit, padded with zeros."""
    if not bits:
        raise ValueError("no bits to pack")
    text = "".join("1" if bit else "0" for bit in bits)
    size = -(-len(text) // 8)
    packed = int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")
    return base64.b64encode(zlib.compress(packed, 9)).decode("ascii")


def unpack_bits(text: str, n: int) -> list[bool]:
    """The `n` bits in `text`. Raises ValueError where it holds fewer or more; never unpacks more than n bits, whatever it claims."""
    number = _number(text, n)
    return [bit == "1" for bit in f"{number:0{8 * -(-n // 8)}b}"[:n]]


def count_bits(text: str, n: int) -> int:
    """How many of the `n` bits in `text` are set. Raises ValueError as `unpack_bits` does."""
    return _number(text, n).bit_count()


def packed_bits(text: str, n: int) -> bytes:
    """The `n` bits in `text`, eight a byte, as `pack_bits` describes. Raises ValueError as `unpack_bits` does."""
    return _number(text, n).to_bytes(-(-n // 8), "big")


def _number(text: str, n: int) -> int:
    if not 0 < n <= MAX_BITS:
        raise ValueError(f"{n} is not a number of bits")
    size = -(-n // 8)
    try:
        unzip = zlib.decompressobj()
        packed = unzip.decompress(base64.b64decode(text, validate=True), size + 1)
        whole = unzip.eof and not unzip.unused_data
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"not packed bits: {error}") from None
    number = int.from_bytes(packed, "big")
    if len(packed) != size or not whole or number & ((1 << (8 * size - n)) - 1):
        raise ValueError(f"not {n} packed bits")
    return number
