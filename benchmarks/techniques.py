"""The speed-up of each technique: kdstudy's training step with one technique switched off at a time.

    python -m benchmarks.techniques
    python -m benchmarks.techniques --parts threads   # measures one part anew, keeps the others

All variants of a step are measured in one process of one thread, one after the other on the same random batch with the
same seed, in an order that rotates; a technique's factor is the median over steps of the ratio within a step. Times are
processor seconds, so that other load on the machine hardly counts; only `threads` is measured by the clock.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import floor
from benchmarks.grid import ROOT
from benchmarks.preparation import DATA, MODEL, find_datasets
from search_spaces.space import load_space
from trials.datasets.loading import load_dataset_splits
from trials.datasets.tokenized_data import TokenizedData, load_tokenized
from trials.evaluation.outputs import predict
from trials.models.pretrained import model_folder
from trials.networks import packed_encoder as packed
from trials.networks import packed_network
from trials.networks.loading import Network, open_network
from trials.networks.packed_batches import PackedBatch, packed_batch
from trials.networks.packed_encoder import LayerRecorder, PackedClassifier
from trials.networks.packed_network import PackedNetwork
from trials.networks.transformers_network import TransformersNetwork
from trials.readers.tokenized_split import TokenizedSplit
from trials.specs.dataset import DatasetSpec
from trials.specs.student import StudentSpec
from trials.specs.trial import Precision, TrainingRecipe
from trials.storage.workspace import Workspace
from trials.students.registry import initial_student
from trials.tasks.classification import Classification
from trials.training.checkpoints import CheckpointFile
from trials.training.stacked_runs import StackedRuns
from trials.training.training_run import Batch, TrainingRun, Validation

RESULTS = ROOT / "benchmarks" / "results" / "techniques.json"
CPU = torch.device("cpu")
RECIPE = TrainingRecipe()
LAYERS = 3
SEED = 13
WARM_UP = 3  # steps that are not counted


@dataclass(frozen=True)
class Variant:
    """A way to compute the training step; the defaults are kdstudy's.

    Attributes:
        precision: Of the student's computations.
        online_teacher: Whether Transformers' teacher runs in each step, over padded rows.
        plain: Whether the student is computed by Transformers, over padded rows.
        all_tokens: Whether the last layer is computed for all tokens.
        whole_vocabulary: Whether the student has the whole vocabulary.
        optimizer: How torch's own AdamW is called instead of ours, with clipping before it.
        replaced: What else is replaced, for the time of a step: a module, a name in it, and the value.
    """

    precision: Precision = Precision.FP32
    online_teacher: bool = False
    plain: bool = False
    all_tokens: bool = False
    whole_vocabulary: bool = False
    optimizer: dict[str, bool] | None = None
    replaced: tuple[tuple[ModuleType, str, Any], ...] = ()


def _one_group(*arguments: Any, **options: Any) -> PackedBatch:
    return packed_batch(*arguments, **{**options, "one_group": True})


VARIANTS = {
    "kdstudy": Variant(),
    "online_teacher": Variant(online_teacher=True),
    "plain": Variant(plain=True),
    "all_tokens": Variant(all_tokens=True),
    "whole_vocabulary": Variant(whole_vocabulary=True),
    "torch_dropout": Variant(replaced=((packed, "dropout", F.dropout),)),
    "one_group": Variant(replaced=((packed_network, "packed_batch", _one_group),)),
    "torch_adamw": Variant(optimizer={}),
    "torch_adamw_foreach": Variant(optimizer={"foreach": True}),
    "nothing": Variant(online_teacher=True, plain=True, optimizer={}),
    "bf16": Variant(Precision.BF16),
    "bf16_unrounded": Variant(Precision.BF16, replaced=((packed_network, "ROUND_TOKENS", 1),)),
}

TECHNIQUES = (  # what it is, the variant without it, the variant with it
    ("teacher's outputs cached, not computed in each step", "online_teacher", "kdstudy"),
    ("packed encoder (the next four too), not Transformers' over padded rows", "plain", "kdstudy"),
    ("last layer for first tokens only", "all_tokens", "kdstudy"),
    ("vocabulary of the training data only", "whole_vocabulary", "kdstudy"),
    ("dropout by 16 bits, not torch's", "torch_dropout", "kdstudy"),
    ("attention in groups by length, not padded to the longest", "one_group", "kdstudy"),
    ("fused AdamW that clips, not torch's default", "torch_adamw", "kdstudy"),
    ("fused AdamW that clips, not torch's foreach", "torch_adamw_foreach", "kdstudy"),
    ("all of these", "nothing", "kdstudy"),
    ("bf16, not fp32", "kdstudy", "bf16"),
    ("bf16: token counts rounded to 64", "bf16_unrounded", "bf16"),
)


# What is trained, and on what


@dataclass(frozen=True)
class Source:
    """Where a data set, a model and the caches are.

    Attributes:
        dataset: The data set.
        model: The model that teacher and student start from.
        root: Folder of the caches.
    """

    dataset: DatasetSpec
    model: Path
    root: Path

    @cached_property
    def data(self) -> TokenizedData:
        """Token ids."""
        fingerprint = load_dataset_splits(self.dataset).fingerprint
        return load_tokenized(self.dataset, fingerprint, self.model, RECIPE.max_length, Workspace(self.root))

    @property
    def whole_vocabulary(self) -> TokenizedData:
        """The same with all words of the model."""
        words = json.loads((self.model / "config.json").read_text())["vocab_size"]
        vocabulary = np.arange(words, dtype=np.int32)
        return dataclasses.replace(
            self.data, key=f"{self.data.key}-whole", vocabulary=vocabulary, num_trained=len(vocabulary)
        )

    def classifier(self, layers: int | None = LAYERS) -> Path:
        """A classifier that was not trained: the student, or with all layers the teacher."""
        student = StudentSpec(name="student", source="teacher", layers=layers)
        return initial_student(student, self.model, self.data.label_names, SEED, Workspace(self.root))

    def teacher_logits(self) -> np.ndarray:
        """Memory-mapped as in a trial, float32 [rows, classes]; their values do not matter here."""
        path = self.root / f"{self.data.key}.npy"
        shape = len(self.data.splits["train"]), len(self.data.label_names)
        np.save(path, np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32))
        return np.load(path, mmap_mode="r")

    def batches(self) -> Iterator[np.ndarray]:
        """Random rows of the training split, without end."""
        draw, rows = np.random.default_rng(SEED), len(self.data.splits["train"])
        while True:
            yield draw.choice(rows, min(RECIPE.batch_size, rows), replace=False)


class AllTokens(PackedClassifier):
    """A `PackedClassifier` that computes the last layer for all tokens."""

    def forward(self, batch: PackedBatch, recorder: LayerRecorder | None = None) -> Tensor:
        """Logits, float32 [R, labels]."""
        x = self.embeddings(batch).to(self.compute_dtype)
        biases = [self._attention_bias(group) for group in batch.groups]
        for layer in self.layers:
            x = layer(x, batch, biases)
        return self._head(x.index_select(0, batch.first)).float()


class TorchAdamW:
    """torch's AdamW behind `clip_grad_norm_`, with the interface of ours."""

    def __init__(self, parameters: Iterable[nn.Parameter], **options: bool):
        self._parameters = list(parameters)
        decayed = [parameter for parameter in self._parameters if parameter.ndim > 1]
        others = [parameter for parameter in self._parameters if parameter.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": RECIPE.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, **options)  # type: ignore[arg-type]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad()

    def step(self, learning_rate: Tensor) -> None:
        """Clip and update."""
        torch.nn.utils.clip_grad_norm_(self._parameters, RECIPE.max_grad_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = float(learning_rate)
        self._optimizer.step()


def network_of(variant: Variant, source: Source) -> Network:
    """The student."""
    if variant.plain:
        return TransformersNetwork.open(source.classifier(), variant.precision)
    data = source.whole_vocabulary if variant.whole_vocabulary else source.data
    network = open_network(source.classifier(), data, variant.precision, CPU)
    if variant.all_tokens and isinstance(network, PackedNetwork):
        whole = AllTokens(network.classifier.config, network.classifier.compute_dtype)
        whole.load_state_dict(network.classifier.state_dict())
        network.classifier = whole
    return network


class Trial:
    """A student in training, one step at a time."""

    def __init__(self, variant: Variant, source: Source):
        self._variant = variant
        self._split = source.data.splits["train"]
        self._soft = source.teacher_logits()
        self._teacher = TransformersNetwork.open(source.classifier(layers=None), Precision.FP32).eval()
        configuration = load_space("paper_a").default()
        self.run = TrainingRun(
            network_of(variant, source),
            lambda logits, targets: Classification().kd_loss(logits, targets[0], targets[1], configuration),
            lambda: Validation(0.0, 0.0),
            configuration.learning_rate,
            CheckpointFile(source.root / "no-checkpoint", None),
        )
        self.run.start(RECIPE, ())
        if variant.optimizer is not None:
            self.run.optimizer = TorchAdamW(self.run.network.parameters(), **variant.optimizer)  # type: ignore[assignment]
        self._unit = StackedRuns([self.run])

    def step(self, rows: np.ndarray, seed: int) -> None:
        """Draw a batch and do one step, as a trial does."""
        torch.manual_seed(seed)
        with ExitStack() as stack:
            for module, name, value in self._variant.replaced:
                stack.enter_context(patch.object(module, name, value))
            self._unit.step(self._draw(rows), 1.0)

    def _draw(self, rows: np.ndarray) -> Batch:
        hard = torch.from_numpy(self._split.labels[rows])
        inputs = self.run.network.inputs(self._split, rows)
        return Batch(inputs, (self._soft_labels(rows), {"labels": hard}), len(rows))

    def _soft_labels(self, rows: np.ndarray) -> Tensor:
        if not self._variant.online_teacher:
            return torch.from_numpy(self._soft[rows])
        with torch.no_grad():
            return self._teacher(self._teacher.inputs(self._split, rows))


@torch.no_grad()
def predict_padded(network: TransformersNetwork, split: TokenizedSplit) -> np.ndarray:
    """Logits of a split in the usual way: batches of 32 in the file's order, padded to their longest row."""
    network.eval()
    starts = range(0, len(split), RECIPE.batch_size)
    batches = (np.arange(start, min(start + RECIPE.batch_size, len(split))) for start in starts)
    return np.concatenate([network(network.inputs(split, rows)).numpy() for rows in batches])


# The parts of the measurement: each returns rows of the table


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        dataset: The data set.
        technique: What is measured.
        unit: Of the values; ``factor`` is the time without the technique over that with it.
        median, low, high: Median and quartiles.
        count: Number of values.
        without, with_it: Median seconds of both sides, where there are two.
    """

    dataset: str
    technique: str
    unit: str
    median: float
    low: float
    high: float
    count: int
    without: float | None = None
    with_it: float | None = None


def row_of(dataset: str, technique: str, values: Sequence[float], unit: str = "factor") -> Row:
    """The row of some values."""
    low, middle, high = quantiles(values, method="inclusive") if len(values) > 1 else (*values, *values, *values)
    return Row(dataset, technique, unit, middle, low, high, len(values))


def factor(dataset: str, technique: str, without: Sequence[float], with_it: Sequence[float]) -> Row:
    """The row of two sides that were measured in turn."""
    ratios = [slow / fast for slow, fast in zip(without, with_it, strict=True)]
    return dataclasses.replace(row_of(dataset, technique, ratios), without=median(without), with_it=median(with_it))


def in_turn(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Processor seconds of each action, repeated in an order that rotates."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    names = list(actions)
    for number in range(repeats):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            began = time.process_time()
            actions[name]()
            taken[name].append(time.process_time() - began)
    return taken


def measure_steps(source: Source, repeats: int) -> list[Row]:
    """All variants of a step, and what share of it the bare products of its matrices take."""
    name, batches = source.dataset.name, source.batches()
    trials = {key: Trial(variant, source) for key, variant in VARIANTS.items()}
    taken: dict[str, list[float]] = {key: [] for key in trials}
    lengths = []
    keys = list(trials)
    for number in range(WARM_UP + repeats):
        rows, start = next(batches), number % len(keys)
        actions = {key: partial(trials[key].step, rows, number) for key in keys[start:] + keys[:start]}
        seconds = in_turn(actions, 1)
        if number >= WARM_UP:
            lengths.append(source.data.splits["train"].lengths[rows].tolist())
            for key in keys:
                taken[key] += seconds[key]
    found = [factor(name, label, taken[without], taken[with_it]) for label, without, with_it in TECHNIQUES]
    return found + _shares(source, lengths, {"fp32": taken["kdstudy"], "bf16": taken["bf16"]})


def _shares(source: Source, lengths: list[list[int]], taken: dict[str, list[float]]) -> list[Row]:
    """The floor's seconds of each step over its own."""
    encoder = floor.Encoder.of(source.classifier())
    rates = floor.measure(encoder, [length for batch in lengths for length in batch], RECIPE.batch_size, workers=1)
    rows = []
    for precision, seconds in taken.items():
        shares = []
        for batch, second in zip(lengths, seconds, strict=True):
            products = floor.step_products(encoder, batch)
            shares.append(sum(p.operations / rates[precision][p.name] for p in products) / second)
        rows.append(
            row_of(source.dataset.name, f"floor of matrix products over the step, {precision}", shares, "share")
        )
    return rows


def measure_evaluation(source: Source, repeats: int) -> list[Row]:
    """A validation."""
    split = source.data.splits["validation"]
    ours, plain = network_of(Variant(), source), TransformersNetwork.open(source.classifier(), Precision.FP32)
    actions = {"padded": partial(predict_padded, plain, split), "ours": partial(predict, ours, split)}
    in_turn(actions, 1)
    taken = in_turn(actions, repeats)
    label = "evaluation sorted by length and packed, not padded by 32"
    return [factor(source.dataset.name, label, taken["padded"], taken["ours"])]


def measure_threads(source: Source, repeats: int, steps: int = 8) -> list[Row]:
    """Two trials at once on a thread each, against one on two threads, by the clock: time per step of any trial."""
    with ExitStack() as stack:
        one, other, wide = (stack.enter_context(_worker(source, threads)) for threads in (1, 1, 2))
        for worker in (one, other, wide):
            worker.submit(_timed_steps, WARM_UP).result()
        without, with_it = [], []
        for _ in range(repeats):
            pair = [worker.submit(_timed_steps, steps) for worker in (one, other)]
            with_it.append(max(each.result() for each in pair) / (2 * steps))
            without.append(wide.submit(_timed_steps, steps).result() / steps)
    return [factor(source.dataset.name, "two trials at once on a thread each, not one on two", without, with_it)]


_trial: tuple[Trial, Iterator[np.ndarray]]  # of a worker of `measure_threads`


def _worker(source: Source, threads: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start_worker, (source, threads))


def _start_worker(source: Source, threads: int) -> None:
    global _trial
    torch.set_num_threads(threads)
    _trial = Trial(Variant(), source), source.batches()


def _timed_steps(count: int) -> float:
    trial, batches = _trial
    began = time.perf_counter()
    for number in range(count):
        trial.step(next(batches), number)
    return time.perf_counter() - began


def measure_imports(repeats: int) -> list[Row]:
    """What making torch's AdamW imports into a fresh worker, where ours imports nothing."""
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "torch's": []}
    for _ in range(repeats):
        for name, costs in found.items():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                costs.append(fresh.submit(_cost_of_optimizer, name == "ours").result())
    rows = []
    for name, costs in found.items():
        seconds, megabytes = zip(*costs, strict=True)
        rows.append(row_of("", f"making {name} AdamW in a fresh process", seconds, "s"))
        rows.append(row_of("", f"making {name} AdamW in a fresh process", megabytes, "MB"))
    return rows


def _cost_of_optimizer(ours: bool) -> tuple[float, float]:
    """Processor seconds and megabytes."""
    from trials.training.optimizers import AdamW

    parameters = [nn.Parameter(torch.zeros(1))]
    before, began = _resident_megabytes(), time.process_time()
    made = AdamW(parameters, RECIPE.weight_decay, RECIPE.max_grad_norm) if ours else torch.optim.AdamW(parameters)
    seconds, megabytes = time.process_time() - began, _resident_megabytes() - before
    del made
    return seconds, megabytes


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# The command


PARTS: dict[str, Callable[[Source, int], list[Row]]] = {
    "steps": measure_steps,
    "evaluation": measure_evaluation,
    "threads": measure_threads,
}
REPEATS = {"steps": 40, "evaluation": 9, "threads": 5, "imports": 5}


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, keep the results."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    results = json.loads(options.output.read_text()) if options.output.is_file() else {}
    for part in options.parts:
        rows = _measured(part, options)
        results[part] = {**_circumstances(), "rows": [dataclasses.asdict(row) for row in rows]}
        for row in rows:
            print(line(row), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")


def _measured(part: str, options: argparse.Namespace) -> list[Row]:
    repeats = options.repeats or REPEATS[part]
    if part == "imports":
        return measure_imports(repeats)
    rows = []
    with tempfile.TemporaryDirectory(prefix="techniques-") as folder:
        for name, entry in find_datasets(options.datasets, options.data, quick=False).items():
            path = None if "embedded" in entry else str((options.data / name).resolve())
            dataset = DatasetSpec(name=name, task="classification", path=path, **entry)
            rows += PARTS[part](Source(dataset, model_folder(MODEL), Path(folder)), repeats)
    return rows


def line(row: Row) -> str:
    """A row for people."""
    sides = (
        "" if row.without is None or row.with_it is None else f"  {row.without * 1e3:.1f} -> {row.with_it * 1e3:.1f} ms"
    )
    number = f"{row.median:7.2f} ({row.low:.2f} to {row.high:.2f})"
    return f"{row.dataset:>6}  {row.technique:<72} {number} {row.unit}{sides}"


def _circumstances() -> dict[str, Any]:
    """Machine, versions, command, moment, and the machine's load, our own included."""
    from benchmarks.speed import machine

    return {
        "machine": machine(),
        "command": shlex.join(["python", "-m", "benchmarks.techniques", *sys.argv[1:]]),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=REPEATS, default=list(REPEATS), help="parts to measure (all)")
    parser.add_argument("--repeats", type=int, help=f"number of repeats of each part ({REPEATS})")
    parser.add_argument("--datasets", nargs="+", help="data sets (mrpc sst2)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file; parts not measured are kept")
    return parser


if __name__ == "__main__":
    main()
