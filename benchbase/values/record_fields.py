"""The fields of a record: one protocol of one cell with one seed, and nothing that can be derived from others.

Names and meaning are a contract with scripts; fields may be added with a default, none changes. Numbers are finite and in range, unknown
fields are refused. There is no host, user or path in a record.
"""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from benchbase.errors import BenchError
from benchbase.values.budget import Budget, budget_of
from benchbase.values.digest import to_json
from benchbase.values.recipe import Recipe, recipe_of

FailureKind = Literal["method_error", "infra_error", "oom", "diverged", "timeout", "not_applicable"]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _printable(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("control characters have no place here")
    return text


def _as_written(make: Callable[[Any], Any], plain: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
    """A validator that lets `make` judge the value, and refuses what only means the same ("1e-4" for 0.0001): keys hash what is written."""
    @lru_cache(maxsize=1024)  # thousands of records share a recipe
    def judge(text: str) -> str:
        value = json.loads(text)
        try:
            made = plain(make(value))
        except BenchError as error:
            return error.what
        odd = [name for name, v in value.items() if to_json(v) != to_json(made.get(name, v if name == "name" else None))]
        return f"{odd[0]} is not in its plain form" if odd else ""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        if wrong := judge(json.dumps(value, sort_keys=True)):
            raise ValueError(wrong)
        return value
    return check


def _no_nan(value: Any, depth: int = 0) -> Any:
    if isinstance(value, float) and value - value != 0:
        raise ValueError("a number is not finite")
    if depth > 8:
        raise ValueError("nested too deeply")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        _no_nan(item, depth + 1)
    return value


def _object(kind: type, types: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of a dataclass as an object, so that a field added there is in the published schema too."""
    return {"type": "object", "additionalProperties": False, "title": kind.__name__,
            "properties": {f.name: types.get(str(f.type), {}) for f in fields(kind)}}


_NUMBER = {"type": "number"}
_TABLE = {"type": "object", "additionalProperties": _NUMBER}
_RECIPE = _object(Recipe, {"int": {"type": "integer", "minimum": 0}, "float": _NUMBER | {"minimum": 0}, "bool": {"type": "boolean"},
                           "str": {"type": "string"}, "tuple[float, ...]": {"type": "array", "items": _NUMBER}})
_BUDGET = _object(Budget, {"float | None": _NUMBER, "Mapping[str, float]": _TABLE, "Mapping[str, int]": _TABLE, "str": {"type": "string"},
                           "tuple[str, ...]": {"type": "array", "items": {"type": "string"}}, "str | None": {"type": "string"},
                           "int | None": {"type": "integer", "minimum": 0}})

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Text = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=10**24)]
Percent = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[float, Field(ge=0)]
Facts = Annotated[dict[Name, Annotated[JsonValue, AfterValidator(_no_nan)]], Field(max_length=200)]
Numbers = Annotated[dict[Name, float], Field(max_length=200)]
RecipeFields = Annotated[dict[str, Any], AfterValidator(_as_written(recipe_of, asdict)), WithJsonSchema(_RECIPE),
                         BeforeValidator(lambda v: asdict(v) if isinstance(v, Recipe) else v)]
BudgetFields = Annotated[dict[str, Any], AfterValidator(_as_written(budget_of, Budget.to_json)), WithJsonSchema(_BUDGET),
                         BeforeValidator(lambda v: v.to_json() if isinstance(v, Budget) else v)]


class _Fields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True, protected_namespaces=())


class DatasetFields(_Fields):
    """fingerprint: sha256 over images, labels, normalisation and augmentation, independent of names."""

    name: Name
    fingerprint: Digest


class MethodFields(_Fields):
    """params: all hyperparameters.  distribution: the installed package it comes from, null for a file.  source: sha256 of that
    file ("" for a package): such rows are unpublished."""

    name: Name
    version: Count = 1
    params: Facts = {}
    distribution: Name | None = None
    distribution_version: Name | None = None
    source: Digest | Literal[""] = ""


class ArchitectureFields(_Fields):
    """architecture.json: only what shrank is named."""

    model: Name
    num_classes: Annotated[int, Field(ge=1)]
    shape: tuple[int, int, int]
    shapes: dict[Name, tuple[Count, ...]] = {}
    selects: dict[Name, tuple[Count, ...]] = {}
    dropped: tuple[Name, ...] = ()
    masks: Digest | Literal[""] = ""
    widths: dict[Name, Count] = {}


class ScratchEpochs(_Fields):
    """How the epochs of a scratch run follow from the base's.  ratio: dense over pruned multiply-adds.  cap: on the factor, if any."""

    formula: Text
    ratio: Positive | None = None
    cap: Positive | None = None


class NetMetrics(_Fields):
    """One trained network.  top1, top5: percent of the test split, last epoch.  loss: mean cross-entropy.  params, macs: of the network as
    it stands; a multiply-add counts once, convolutions and linear layers only.  nonzero, macs_nonzero: the same without zero weights."""

    top1: Percent
    top5: Percent | None = None
    loss: Positive
    params: Count
    macs: Count
    nonzero: Count
    macs_nonzero: Count


class Metrics(NetMetrics):
    """epochs: trained by the row's last stage.  top1_bn, loss_bn: after batch-norm statistics were recomputed (one-shot only).
    latency_ratio: paired, pruned over dense.  equivalence: max |logit(zeroed) - logit(sliced)|.  extra: metrics of plugins."""

    epochs: Count = 0
    top1_bn: Percent | None = None
    loss_bn: Positive | None = None
    latency_ratio: Positive | None = None
    equivalence: Positive | None = None
    extra: Numbers = {}


class Digests(_Fields):
    """sha256 of the tensors of the plain base, the method's own base (the plain one where it has none), the pruned and the final
    network; and of the architecture.  calibration: of the images that batch-norm statistics were recomputed on (one-shot only)."""

    plain: Digest
    base: Digest
    pruned: Digest
    final: Digest
    architecture: Digest
    calibration: Digest | None = None


class Phase(_Fields):
    """What one phase cost.  images: read, with repetition.  macs: multiply-adds, backward passes included."""

    epochs: Positive = 0
    images: Count = 0
    macs: Count = 0
    seconds: Positive = 0


class Ledger(_Fields):
    """What the row cost, phase by phase.  formula: which rule set the budget of the retraining."""

    pretrain: Phase
    prune: Phase
    retrain: Phase
    formula: Text = ""


class _Cell(_Fields):
    """What was asked: the identity of a cell."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    protocol_version: Annotated[int, Field(ge=1, le=1000)] = 1
    key: Digest
    dataset: DatasetFields
    model: Name
    method: MethodFields
    budget: BudgetFields
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    recipe: RecipeFields
    finetune_recipe: RecipeFields


class Record(_Cell):
    """One protocol of one cell with one seed.

    kept: group -> channels that stay, or its digest when large.  asked, achieved: the budget, and what came of it as fractions removed.
    rescued: layers that the budget would have emptied, and that kept their best channel.  guessed: weights of a fresh start whose
    initialiser is not known, so that they were drawn from a dense network and rescaled.
    correct: one bit a test image (`pack_bits`).  unpruned: the plain base.  sparse_base: the method's own base, if it trains one.
    shared_with: keys of records whose final training is the same.  family: the comparisons that the suite declared ranks to be adjusted over,
    those of a table or those at one operating point.  supersedes: key of the record this one corrects.
    """

    protocol: Name
    scratch_epochs: ScratchEpochs | None = None
    architecture: ArchitectureFields
    kept: dict[Name, tuple[Count, ...]] | Digest
    metrics: Metrics
    asked: Facts
    achieved: Numbers
    rescued: tuple[Name, ...] = ()
    guessed: tuple[Name, ...] = ()
    test_images: Annotated[int, Field(ge=1, le=1 << 26)]
    correct: Annotated[str, Field(max_length=1 << 24, pattern=r"^[A-Za-z0-9+/=]+$")]
    unpruned: NetMetrics
    sparse_base: NetMetrics | None = None
    digests: Digests
    shared_with: tuple[Digest, ...] = ()
    family: Literal["table", "point"] = "table"
    ledger: Ledger
    precision: Name
    threads: Annotated[int, Field(ge=1, le=100_000)]
    memory_format: Name
    versions: dict[Name, Text]
    device: Facts
    started: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$")]
    seconds: Positive = 0
    supersedes: Digest | None = None


class Failure(_Cell):
    """A cell that failed, or does not apply.  protocol: where it failed, "" for all.  message: what, and what to do.  traceback: its last lines."""

    protocol: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""
    kind: FailureKind
    message: Annotated[str, Field(max_length=4000)]
    traceback: Annotated[str, Field(max_length=20_000)] = ""
    versions: dict[Name, Text] = {}
    device: Facts = {}
    started: str = ""


def scrub(text: str, limit: int = 4000) -> str:
    """The tail of `text` with the folders of absolute paths cut off: no record names a host, a user or a path.

    >>> scrub('File "/home/ada/lab/mine.py", line 3')
    'File "mine.py", line 3'
    """
    short = re.sub(r"(?<![\w./:])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:\"'<>|,;()]+[/\\])+", "", text)
    return short[-limit:]
