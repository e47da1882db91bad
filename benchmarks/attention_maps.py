"""The cost of a teacher's attention maps per batch of the student: read from disk in half precision, or computed again.

    python -m benchmarks.attention_maps

Batches of 32 training rows of MRPC (long) and SST-2 (short); layers 2, 4 and 6 of MiniLM-L6; one thread. The file has
just been written, so that it lies in the system's memory, as it does from a trial's second epoch on. A student's
forward and backward without attention stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.preparation import DATA, MODEL, find_datasets
from benchmarks.techniques import CPU, Source
from trials.models.pretrained import model_folder
from trials.networks.packed_batches import PackedBatch
from trials.networks.packed_network import PackedNetwork
from trials.specs.dataset import DatasetSpec
from trials.specs.trial import Precision
from trials.teachers.attention_cost import MAP_BYTES, is_caching_cheaper
from trials.teachers.attention_maps import CachedMaps, ComputedMaps, write_maps

RESULTS = Path(__file__).parent / "results" / "attention_maps.json"
LAYERS = (1, 3, 5)
BATCHES = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="The cost of a teacher's attention maps, kept or computed.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds mrpc and sst2 as parquet folders")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = {}
    for name, entry in find_datasets(None, options.data, quick=False).items():
        with tempfile.TemporaryDirectory(prefix="attention-") as root:
            found[name] = _measured(Source(_spec(name, entry, options.data), model_folder(MODEL), Path(root)))
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    Console().print(_table(found))


def _spec(name: str, entry: dict[str, Any], data: Path) -> DatasetSpec:
    where = {} if "embedded" in entry else {"path": str(data / name)}
    return DatasetSpec.model_validate({"name": name, "task": "classification", **where, **entry})


def _measured(source: Source) -> dict[str, Any]:
    """Milliseconds a batch of both ways and of the student's forward and backward, medians; bytes; what is chosen."""
    split = source.data.splits["train"]
    teacher, student = (_open(source, layers) for layers in (None, 3))
    teacher.eval()
    file = source.root / "maps.npy"
    write_maps(teacher, split, LAYERS, teacher.num_heads, file)
    kept = CachedMaps.open(file, split.lengths, len(LAYERS), teacher.num_heads)
    computed = ComputedMaps(teacher, split, LAYERS)
    times: dict[str, list[float]] = {"kept": [], "computed": [], "student": []}
    for rows in itertools.islice(source.batches(), BATCHES):
        batch = student.inputs(split, rows)
        layout = student.attention_layout(batch)
        times["kept"].append(_milliseconds(kept.of, rows, layout, CPU))
        times["computed"].append(_milliseconds(computed.of, rows, layout, CPU))
        times["student"].append(_milliseconds(_step, student, batch))
    numbers = float((split.lengths.astype(np.int64) ** 2).sum()) * len(LAYERS) * teacher.num_heads
    return {
        **{f"{way}_ms": statistics.median(values) for way, values in times.items()},
        "tokens_a_row": float(split.lengths.mean()),
        "megabytes": MAP_BYTES * numbers / 1e6,
        "kept": is_caching_cheaper(numbers, 2.0 * teacher.layer_weights * int(split.offsets[-1]), gpu=False),
    }


def _milliseconds(run: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)
    return 1000 * (time.perf_counter() - start)


def _step(student: PackedNetwork, batch: PackedBatch) -> None:
    student.train()(batch).sum().backward()


def _open(source: Source, layers: int | None) -> PackedNetwork:
    folder = source.classifier(layers)
    config = json.loads((folder / "config.json").read_text())
    return PackedNetwork.open(folder, config, source.data, Precision.FP32)


def _table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="A teacher's attention maps of 3 layers: milliseconds a batch of 32, medians")
    for name in ("data set", "tokens a row", "MB", "kept", "computed", "student's forward and backward", "chosen"):
        table.add_column(name, justify="right")
    for name, row in found.items():
        times = (f"{row[f'{way}_ms']:.1f}" for way in ("kept", "computed", "student"))
        chosen = "kept" if row["kept"] else "computed"
        table.add_row(name, f"{row['tokens_a_row']:.0f}", f"{row['megabytes']:.0f}", *times, chosen)
    return table


if __name__ == "__main__":
    main()
