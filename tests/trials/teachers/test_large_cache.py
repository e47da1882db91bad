"""Caches larger than memory: a process that may hold only a part of its caches trains from them all the same."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from tiny import tiny_configuration

from search_spaces.configuration import digest
from trials.datasets.tokenized_data import CACHE_FORMAT
from trials.models.pretrained import model_fingerprint
from trials.readers.tokenizers import tokenizer_fingerprint
from trials.specs.dataset import DatasetSpec
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TrainingRecipe, TrialSpec, Triple
from trials.storage.workspace import Workspace
from trials.students.registry import initial_student
from trials.teachers.checkpoints import SETTINGS_FILE

TESTS = Path(__file__).parents[2]
ROWS = {"train": 2**21, "validation": 32, "test": 32}
LENGTH = 32  # tokens of each row: token ids of 256 MiB
LABELS = tuple(f"class {number}" for number in range(32))  # and the teacher's outputs have as much
HEADROOM = 128 * 2**20  # bytes that the process may take beyond what it has when all is imported
STEPS, BATCH = 3, 16
DATA, TEACHER = "made-up-data", "made-up-teacher"


@pytest.fixture(scope="module")
def spec(tiny_model: Path) -> TrialSpec:
    """A trial of a few steps on a large data set."""
    triple = Triple(
        teacher=TeacherSpec(name="tiny", model=str(tiny_model)),
        student=StudentSpec(name="2L", source="tiny", layers=2),
        dataset=DatasetSpec(name="large", task="classification", path="nowhere"),
    )
    return TrialSpec(
        triple=triple,
        configuration=tiny_configuration().canonical(),
        seed=13,
        training=TrainingRecipe(epochs=STEPS * BATCH / ROWS["train"], batch_size=BATCH, max_length=LENGTH),
        data_fingerprint=DATA,
        teacher_fingerprint=TEACHER,
        source_fingerprint=model_fingerprint(tiny_model),
    )


@pytest.fixture(scope="module")
def workspace(spec: TrialSpec, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A study's directory with all caches of the trial; the large ones are sparse files, which take little space."""
    made = Workspace(tmp_path_factory.mktemp("large"))
    key = digest([CACHE_FORMAT, ["classification"], DATA, tokenizer_fingerprint(tiny_model), LENGTH])[:24]
    write_tokens(made.tokens(key))
    shutil.copytree(tiny_model, made.teacher(TEACHER))
    settings = {"max_length": LENGTH, "label_order": list(range(len(LABELS)))}
    (made.teacher(TEACHER) / SETTINGS_FILE).write_text(json.dumps(settings))
    outputs = made.teacher_outputs(digest([key, TEACHER, "train"])[:24])
    outputs.mkdir(parents=True)
    sparse(outputs / "outputs.npy", np.float32, ROWS["train"], len(LABELS))
    initial_student(spec.triple.student, tiny_model, LABELS, spec.seed, made)
    return made


def write_tokens(folder: Path) -> None:
    """Token ids, all of them 0."""
    folder.mkdir(parents=True)
    for split, rows in ROWS.items():
        sparse(folder / f"{split}.ids.npy", np.int32, rows * LENGTH)
        sparse(folder / f"{split}.labels.npy", np.int64, rows)
        np.save(folder / f"{split}.offsets.npy", np.arange(rows + 1) * LENGTH)
    np.save(folder / "vocabulary.npy", np.zeros(1, dtype=np.int32))
    meta = {"label_names": LABELS, "arrays": {split: ["ids", "labels", "offsets"] for split in ROWS}}
    meta |= {"pad_id": 0, "num_trained": 1}
    (folder / "meta.json").write_text(json.dumps(meta))


def sparse(path: Path, dtype: type, *shape: int) -> None:
    """Write a file of zeros."""
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's data")
def test_trial_trains_from_caches_larger_than_its_memory(
    spec: TrialSpec, workspace: Workspace, tiny_model: Path
) -> None:
    caches = [path for path in workspace.root.rglob("*.npy") if path.stat().st_size > 1.5 * HEADROOM]
    assert sorted(path.name for path in caches) == ["outputs.npy", "train.ids.npy"]
    command = [sys.executable, __file__, spec.model_dump_json(), str(tiny_model), str(workspace.root)]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    done = subprocess.run(
        [*command, *map(str, caches)], env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The limit bites: neither array can be read whole, nor can a trial run that does not map them
    assert found["read whole"] == ["out of memory"] * 2
    assert found["trial without mapping"] == ["failed", "out of memory at 1 row a step"]
    assert found["trial"] == ["completed", STEPS]


def limited(spec: TrialSpec, model: Path, root: Path, caches: list[Path]) -> dict[str, object]:
    """What a process can do that may hold little."""
    from trials.workers.run_work import run_work

    def trial() -> object:
        record = run_work(spec, (str(model), ""), Workspace(root))
        return record.status, record.reason or record.curve[-1].step

    limit_memory()
    with patch("numpy.load", lambda file, mmap_mode=None, load=np.load: load(file)):
        without_mapping = outcome(trial)
    whole = [outcome(partial(np.load, cache)) for cache in caches]
    return {"trial without mapping": without_mapping, "read whole": whole, "trial": outcome(trial)}


def outcome(action: Callable[[], object]) -> object:
    """What the action returns, unless memory runs out."""
    try:
        return action()
    except MemoryError:
        return "out of memory"


def limit_memory() -> None:
    """Forbid more than `HEADROOM` further bytes of private memory; shared maps of files do not count."""
    status = Path("/proc/self/status").read_text().splitlines()
    (taken,) = (int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (taken + HEADROOM,) * 2)


if __name__ == "__main__":
    trial_json, *paths = sys.argv[1:]
    model, root, *caches = map(Path, paths)
    sys.stdout.write(json.dumps(limited(TrialSpec.model_validate_json(trial_json), model, root, caches)))
