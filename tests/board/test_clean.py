from __future__ import annotations

import json

import pytest

from benchbase.board.clean import unclean


def said(**fields) -> str:
    return unclean(fields, json.dumps(fields).encode())


@pytest.mark.parametrize("text", ["network-slimming@0.5", "soft-filter@macs=0.5", "torch 2.11.0", "NVIDIA H100 80GB HBM3", "a/b", "café", "int(K1 * F1/F2)",
                                  "torchvision:vgg16_bn", "thinet[images=64]", "K1, the base's schedule", "≈ 2×"])
def test_what_names_and_devices_say_is_clean(text):
    assert said(method={"name": text}, device={"name": text}) == ""


@pytest.mark.parametrize("text", ["/home/ada/x", "C:\\Users\\ada\\x", "~/data/x", "file://x", "\\\\server\\share", "at /mnt/lab/x.py", "x=~ada/y"])
def test_paths(text):
    assert said(device={"name": text}) == "device.name: holds a path"


@pytest.mark.parametrize("text", ["ada@example.org", "mail ada.b@mail.example.com now"])
def test_addresses_of_people(text):
    assert said(versions={"x": text}) == "versions.x: holds an address"


def test_addresses_of_machines_but_not_versions():
    assert "machine's address" in said(device={"name": "10.0.0.7"}) and said(versions={"x": "1.2.3.4"}) == ""


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u00ad", "\u2028", "\ufeff", "\ue000", "\u3164", "\u00a0", "\x7f", "\x1b"])
def test_characters_that_are_not_seen(char):
    assert f"U+{ord(char):04X}" in said(method={"name": f"a{char}b"}) and f"U+{ord(char):04X}" in said(versions={f"a{char}": "1"})


def test_messages_of_failures_may_have_lines():
    assert said(message="a\nb", traceback="c\n\td") == "" and "U+000A" in said(name="a\nb")


def test_the_bits_are_not_read_as_text():
    assert said(correct="a/b/c/dd==") == ""
