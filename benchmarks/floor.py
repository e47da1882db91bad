"""The matrix-multiply floor: the time of the matrix products alone that a student's training needs.

An encoder's training steps need, for every true token, each linear layer's product and its two gradients, and for
every row the products of attention; of the last layer, only keys and values of tokens other than the first. Padding,
the teacher, norms, activations, softmax, dropout and the optimizer are not counted: they are what can be saved, or
what keeps a trial above its floor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, median

import torch

from benchmarks.grid import ROOT, Precision

SECONDS = 0.15  # per measured product
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Encoder:
    """Sizes of a BERT classifier."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    classes: int

    @classmethod
    def of(cls, model: Path) -> Encoder:
        """The sizes that a model folder's configuration states."""
        config = json.loads((model / "config.json").read_text())
        return cls(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            heads=config["num_attention_heads"],
            classes=len(config["id2label"]),
        )


@dataclass(frozen=True)
class Product:
    """`batch` products [m, k] @ [k, n].

    Attributes:
        name: What it computes; products of one name have one shape, but for the number of rows or tokens.
    """

    name: str
    m: int
    k: int
    n: int
    batch: int = 1

    @property
    def operations(self) -> int:
        """Floating-point operations: one multiplication and one addition for each term."""
        return 2 * self.batch * self.m * self.k * self.n


def step_products(encoder: Encoder, lengths: Iterable[int], *, cls_only: bool = True) -> Iterator[Product]:
    """All products of one training step over rows of these lengths in tokens, forward and backward.

    Args:
        encoder: The student.
        lengths: Tokens of each row.
        cls_only: The last layer computes queries, outputs and feed-forward of each row's first token only.
    """
    rows_of = Counter(lengths)
    tokens, rows = sum(length * count for length, count in rows_of.items()), rows_of.total()
    hidden, intermediate = encoder.hidden, encoder.intermediate
    for layer in range(encoder.layers):
        short = cls_only and layer == encoder.layers - 1
        name, outputs = ("last", rows) if short else ("layer", tokens)
        for part, places in (("key", tokens), ("value", tokens), ("query", outputs), ("output", outputs)):
            yield from _linear(f"{name}.{part}", places, hidden, hidden)
        for length, count in rows_of.items():
            yield from _attention(f"{name}.attention", encoder, 1 if short else length, length, count)
        yield from _linear(f"{name}.up", outputs, hidden, intermediate)
        yield from _linear(f"{name}.down", outputs, intermediate, hidden)
    yield from _linear("pooler", rows, hidden, hidden)
    yield from _linear("classifier", rows, hidden, encoder.classes)


def _linear(name: str, places: int, width: int, new_width: int) -> Iterator[Product]:
    """A linear layer over some places: its output, and the gradients of its input and of its weights."""
    yield Product(name, places, width, new_width)
    yield Product(f"{name}.input_gradient", places, new_width, width)
    yield Product(f"{name}.weight_gradient", new_width, places, width)


def _attention(name: str, encoder: Encoder, queries: int, keys: int, rows: int) -> Iterator[Product]:
    """Attention of rows of one length: scores and mixture, and the two gradients of each."""
    size, batch = encoder.hidden // encoder.heads, rows * encoder.heads
    yield Product(f"{name}.scores", queries, size, keys, batch)
    yield Product(f"{name}.scores.query_gradient", queries, keys, size, batch)
    yield Product(f"{name}.scores.key_gradient", keys, queries, size, batch)
    yield Product(f"{name}.mixture", queries, keys, size, batch)
    yield Product(f"{name}.mixture.weight_gradient", queries, size, keys, batch)
    yield Product(f"{name}.mixture.value_gradient", keys, queries, size, batch)


def training_operations(encoder: Encoder, lengths: Iterable[int], epochs: float) -> dict[str, float]:
    """Operations of a whole training by product; they grow with rows and tokens, however rows share batches."""
    found: dict[str, float] = defaultdict(float)
    for product in step_products(encoder, lengths):
        found[product.name] += epochs * product.operations
    return dict(found)


def floor_seconds(operations: Mapping[str, float], rates: Mapping[str, float]) -> float:
    """Seconds of these operations at these rates, in operations a second, by product."""
    return sum(count / rates[name] for name, count in operations.items())


def measure(encoder: Encoder, lengths: list[int], batch_size: int, workers: int) -> dict[str, dict[str, float]]:
    """Operations a second by precision and product, of a batch of rows of mean length.

    As many processes as there are workers measure at the same time, one thread each, for that is how trials run.
    """
    told = json.dumps([asdict(encoder), round(fmean(lengths)), batch_size])
    command = [sys.executable, "-m", "benchmarks.floor", told]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(workers)]  # noqa: S603
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("the matrix products could not be measured")
    found = [json.loads(output) for output in outputs]
    return {
        precision: {name: fmean(each[precision][name] for each in found) for name in rates}
        for precision, rates in found[0].items()
    }


def measure_here(encoder: Encoder, length: int, batch_size: int) -> dict[str, dict[str, float]]:
    """One process's share of `measure`."""
    torch.set_num_threads(1)
    products = list(step_products(encoder, [length] * batch_size))
    return {
        precision: {p.name: p.operations / _seconds(p.batch, p.m, p.k, p.n, dtype) for p in products}
        for precision, dtype in DTYPES.items()
    }


@cache
def _seconds(batch: int, m: int, k: int, n: int, dtype: torch.dtype) -> float:
    """Median seconds of one product of this shape."""
    left, right = torch.randn(batch, m, k).to(dtype), torch.randn(batch, k, n).to(dtype)
    operands = (left[0], right[0]) if batch == 1 else (left, right)
    multiply = torch.mm if batch == 1 else torch.bmm
    multiply(*operands)
    taken: list[float] = []
    while sum(taken) < SECONDS or len(taken) < 3:
        started = time.perf_counter()
        multiply(*operands)
        taken.append(time.perf_counter() - started)
    return median(taken)


if __name__ == "__main__":
    sizes, mean_length, rows = json.loads(sys.argv[1])
    print(json.dumps(measure_here(Encoder(**sizes), mean_length, rows)))
