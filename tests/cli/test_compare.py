from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchbase.values.record import load_records, record_of, write

from .conftest import bench, tree


@pytest.fixture
def boards(ran, here):
    """./leaderboard, and ./worse with the same records of the method's next version, each with 8 images fewer right."""
    from benchbase.values.bits import pack_bits, unpack_bits

    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    for r in load_records(ran.root / "kept" / "board"):
        bits = unpack_bits(r.correct, r.test_images)
        gone = [i for i, bit in enumerate(bits) if bit][:8]
        correct = [bit and i not in gone for i, bit in enumerate(bits)]
        data = r.model_dump(mode="json", by_alias=True)
        data.pop("key")
        data["method"]["version"] += 1
        data["metrics"] |= {"top1": 100 * sum(correct) / len(correct), "loss": 2 * r.metrics.loss}
        data["digests"]["final"] = "0" * 64
        write(record_of({**data, "correct": pack_bits(correct)}), "worse")
    return Path("leaderboard"), Path("worse")


def test_folders_pair_cell_by_cell(boards):
    before = tree(Path())
    said = bench("compare", "leaderboard", "worse", "--protocol", "finetune")
    assert (said.code, said.err) == (0, "") and tree(Path()) == before
    assert "B − A, paired by seed. A: leaderboard (record set), B: worse (record set)" in said.out
    assert "l1-norm 0.5, finetune, vgg-digits on synthetic: " in said.out and "(provisional, 2 of 5 seeds)" in said.out
    assert "these two networks, seed 0: only A right 8, only B right 0, McNemar's exact p 0.0078" in said.out
    assert "scratch-b" not in said.out and "−25.00 pp" in said.out


@pytest.mark.parametrize(("conditions", "code"), [((), 0), (("top1:-0.5pp",), 1), (("top1:-25pp",), 0), (("top1:+0pp",), 0), (("loss:+99%",), 1),
                                                 (("macs:+0%", "params:+0%"), 0), (("macs:+0%", "loss:+0%"), 1), (("top1.high:-0.5pp",), 1)])
def test_the_exit_code_answers(boards, conditions, code):
    said = bench("compare", "leaderboard", "worse", "--protocol", "finetune", *(x for c in conditions for x in ("--fail-if", c)))
    assert said.code == code and said.err == ""
    verdicts = [line.split(":")[0] for line in said.out.splitlines() if line.startswith(("ok: ", "FAIL: "))]
    assert len(verdicts) == len(conditions) and ("FAIL" in verdicts) is bool(code)


def test_the_same_folder_does_not_differ(boards):
    said = bench("compare", "leaderboard", "leaderboard", "--fail-if", "top1:-0pp", "--fail-if", "loss:+0")
    assert said.code == 0 and said.out.count("the same runs") == 4 and "these two networks" not in said.out
    gap = next(line for line in said.out.splitlines() if line.startswith("(finetune − scratch-b) of B, less that of A, l1-norm 0.5, "))
    assert gap.endswith("; A and B share their scratch runs: this is finetune alone") and "change: B − A" in said.out


def test_json_is_one_document(boards):
    said = bench("compare", "leaderboard", "worse", "--json", "--fail-if", "top1:-0.5pp")
    document = json.loads(said.out)
    assert said.code == 1 and document["failed"]
    assert {c["protocol"] for c in document["contrasts"]} == {"one-shot", "finetune", "scratch-e", "scratch-b"}
    first = document["contrasts"][0]
    assert first["changes"]["top1 pp"]["n"] == 2 and first["provisional"] and first["these_two_networks"]["0"]["only_a"] == 8
    assert document["conditions"][0]["holds"] and document["gaps"][0]["name"] == "paper"
    assert document["a"] == {"name": "leaderboard", "kind": "record set", "unpaired": 0}


def test_methods_and_budgets_of_a_leaderboard(boards):
    for name in ("l1-norm", "0.5", "l1-norm@0.5"):
        said = bench("compare", name, "worse", "--protocol", "finetune")
        assert said.code == 0 and said.out.startswith("B − A, paired by seed. A: " + name)
    assert bench("compare", "l1-norm", "l1-norm", "--leaderboard", "worse", "--fail-if", "top1:-0pp").code == 0


@pytest.mark.parametrize(("args", "says"), [
    (("l1-nrom", "0.5"), "unknown method, budget or folder 'l1-nrom'"), (("nowhere/at/all", "0.5"), "no records at nowhere/at/all"),
    (("l1-norm", "0.5", "--leaderboard", "gone"), "no records at gone"), (("l1-norm", "0.5", "--fail-if", "top1"), "is no condition"),
    (("l1-norm", "0.5", "--fail-if", "top1:-1"), "no limit of top1"), (("leaderboard", "worse", "--protocol", "rewind"), "nothing pairs")])
def test_bad_input_takes_two_lines(boards, args, says):
    said = bench("compare", *args)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and says in said.lines[0]


def test_no_torch_is_imported(boards):
    code = ("import sys; from benchbase.cli import main; main(['compare', 'leaderboard', 'worse']); "
            "print({'torch', 'scipy.stats'} & {*sys.modules}, file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


def test_a_folder_called_as_a_method_is_not_in_its_way(boards):
    shutil.copytree("worse", "l1-norm")
    assert "A: l1-norm (method)" in bench("compare", "l1-norm", "0.5", "--protocol", "finetune").out
    Path("0.5").mkdir()
    assert "A: l1-norm (method), B: 0.5 (budget)" in bench("compare", "l1-norm", "0.5", "--protocol", "finetune").out
    assert "A: ./l1-norm (record set)" in bench("compare", "./l1-norm", "worse", "--protocol", "finetune").out
