from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.values.bits import count_bits, pack_bits, unpack_bits

BITS = st.lists(st.booleans(), min_size=1, max_size=200)


@given(BITS)
def test_round_trip(bits):
    text = pack_bits(bits)
    assert unpack_bits(text, len(bits)) == bits and count_bits(text, len(bits)) == sum(bits)


def test_the_first_image_is_the_highest_bit():
    packed = pack_bits([True, False, False, False, False, False, False, True, True])
    assert zlib.decompress(base64.b64decode(packed)) == bytes([0b10000001, 0b10000000])


@given(BITS, st.integers(-10, 300))
def test_another_number_of_bits_is_refused_unless_padding_hides_it(bits, n):
    text, size = pack_bits(bits), -(-len(bits) // 8)
    if n >= 1 and -(-n // 8) == size and (n >= len(bits) or not any(bits[n:])):
        assert len(unpack_bits(text, n)) == n
    else:
        with pytest.raises(ValueError, match="bits"):
            unpack_bits(text, n)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("text", ["", "?", "YWJj", b64(zlib.compress(b"\0" * 10**8)), b64(zlib.compress(b"\xff")), b64(zlib.compress(b"\x80")[:-2]),
                                  b64(zlib.compress(b"\x80") + b"more")])
def test_damage_and_bombs_are_refused(text):
    with pytest.raises(ValueError, match="bits"):
        count_bits(text, 4)


def test_nothing_to_pack():
    with pytest.raises(ValueError, match="no bits"):
        pack_bits([])


def test_a_records_worth_is_small():
    assert len(pack_bits([i % 17 != 0 for i in range(10_000)])) < 1700
