from __future__ import annotations

from benchbase.plugin.opening import asks_for_size, opened


def test_a_builder_is_told_what_it_asks_for():
    def plain(num_classes, in_channels=3):
        return num_classes, in_channels

    def sized(num_classes, in_channels=3, image_size=None):
        return num_classes, in_channels, image_size

    assert opened(plain, 7, (1, 8, 12)) == (7, 1) and opened(sized, 7, (1, 8, 12)) == (7, 1, (8, 12))
    assert not asks_for_size(plain) and asks_for_size(sized) and not asks_for_size(dict)
