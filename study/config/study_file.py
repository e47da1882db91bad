"""Reads and checks a study file, with all its faults at once. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from search_spaces import (
    DISTINCT_VALUES,
    Configuration,
    Distance,
    Fault,
    InputError,
    Schedule,
    SearchSpace,
    load_space,
    nearest,
    read_yaml,
    validation_faults,
)
from study.config.presets import expand_dataset
from study.config.resources import Resources
from trials.readers import PACKAGE_PREFIX
from trials.specs import (
    TRANSLATION_KEYS,
    DatasetSpec,
    FrozenSpec,
    Name,
    SpeedSettings,
    StoppingRule,
    StudentSpec,
    TeacherSpec,
    TrainingRecipe,
    Triple,
)

RESERVED = {"students": ("teacher", "mean"), "datasets": ("mean",)}  # what the report calls something else
NOUNS = {"teachers": "teacher", "students": "student", "datasets": "data set"}  # in the order of a triple


class Tuning(StrEnum):
    """How learning rate and temperature are tuned inside one choice."""

    COORDINATE = "coordinate"  # learning rate first, then temperature
    JOINT = "joint"  # their product
    OPTUNA = "optuna"  # tree-structured Parzen estimator at a fixed budget


class Strategy(StrEnum):
    """What is tried of a search space, a line each: its name, then the keys of the search that it takes.

    The value is the name in study files, and the name of the file in `study.search.searchers` that searches so.
    """

    takes: tuple[str, ...]

    def __new__(cls, value: str, takes: str = "") -> Strategy:
        """A member: its name in study files and its keys, separated by spaces."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.takes = tuple(takes.split())
        return member

    GREEDY = "greedy", "tune tune_budget evaluate stopping"  # one choice changed at a time (A, section 3)
    GRID = "grid", "stopping"  # every configuration that greedy search could visit
    RANDOM = "random", "trials seed stopping"  # some of the grid, drawn uniformly
    OPTUNA = "optuna", "trials batch seed stopping"  # some of the grid, by a tree-structured Parzen estimator
    EXPERIMENTS = "experiments", "tune tune_budget"  # the space's named configurations; each is a result: none stops

    @classmethod
    def taking(cls, key: str) -> tuple[Strategy, ...]:
        """The strategies that take a key of the search."""
        return tuple(strategy for strategy in cls if key in strategy.takes)


class SearchConfig(FrozenSpec):
    """The search of each triple.

    Attributes:
        strategy: The searcher.
        space: Name of a search space, path of one, or the space itself.
        tune: How learning rate and temperature are tuned.
        tune_budget: Trials per choice where `tune` is optuna.
        evaluate: Reference configurations that every triple is evaluated on after a greedy search.
        trials: Configurations that random and optuna try on each triple, every one once per seed.
        batch: Configurations that optuna proposes at a time, to run side by side.
        seed: Seeds what random draws and what optuna proposes.
        stopping: How trials are stopped early; None trains all to their end.
    """

    strategy: Strategy = Strategy.GREEDY
    space: SearchSpace
    tune: Tuning = Tuning.COORDINATE
    tune_budget: Annotated[int, Field(gt=0)] = 12
    evaluate: tuple[Literal["stable", "lazy"], ...] = ("stable", "lazy")
    trials: Annotated[int, Field(gt=0)] | None = Field(None, validate_default=True)
    batch: Annotated[int, Field(gt=0)] = 4
    seed: int = 13
    stopping: StoppingRule | None = None

    @model_validator(mode="before")
    @classmethod
    def _others_have_no_references(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("strategy", Strategy.GREEDY) not in Strategy.taking("evaluate"):
            return {"evaluate": (), **values}
        return values

    @field_validator("tune", "tune_budget", "evaluate", "trials", "batch", "seed", "stopping")
    @classmethod
    def _fits_the_strategy(cls, value: Any, info: ValidationInfo) -> Any:
        strategy, name = info.data.get("strategy"), str(info.field_name)
        usual = () if name == "evaluate" else cls.model_fields[name].default
        fitting = Strategy.taking(name)
        if strategy is not None and strategy not in fitting and value != usual:
            raise ValueError(f"is for the strategy {' or '.join(fitting)}, not {strategy}: leave it out")
        if name == "trials" and value is None and strategy in fitting:
            raise ValueError(f"is required: how many configurations {strategy} tries on each triple")
        return value

    @model_validator(mode="after")
    def _experiments_are_there(self) -> Self:
        if self.strategy is Strategy.EXPERIMENTS and not self.space.experiments:
            raise ValueError(f"strategy experiments needs a space with experiments, but {self.space.name} has none")
        if self.strategy is not Strategy.EXPERIMENTS and self.space.experiments:
            raise ValueError(
                f"{self.strategy} search runs no experiments, but {self.space.name} has some: use strategy experiments"
            )
        return self


class StudyConfig(FrozenSpec):
    """The content of a study file; see `docs/user-guide.md`.

    Attributes:
        name: Name of the study and of its directory.
        datasets, teachers, students: The parts of the triples.
        triples: ``all`` combinations, or a list of [teacher, student, dataset] names.
        search: The search of each triple.
        training: Training recipe of the students, and of teachers where they do not say otherwise.
        seeds: Every configuration is trained once per seed; scores are averaged.
        resources: Resources of one trial.
        checkpoint_seconds: Least time between two saves of a running trial's state, from which it resumes.
        speed: How response times are measured after all trials; None to measure none.
        mirror: Folder that holds presets' data by name, for machines without the hub.
    """

    name: Name
    datasets: Annotated[tuple[DatasetSpec, ...], Field(min_length=1)]
    teachers: Annotated[tuple[TeacherSpec, ...], Field(min_length=1)]
    students: Annotated[tuple[StudentSpec, ...], Field(min_length=1)]
    triples: Literal["all"] | Annotated[tuple[tuple[str, str, str], ...], Field(min_length=1), DISTINCT_VALUES] = "all"
    search: SearchConfig
    training: TrainingRecipe = TrainingRecipe()
    seeds: Annotated[tuple[int, ...], Field(min_length=1), DISTINCT_VALUES] = (13,)
    resources: Resources = Resources()
    checkpoint_seconds: float = Field(300, ge=0)
    mirror: str | None = None
    speed: SpeedSettings | None = None


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes:
        config: The file's content: presets expanded, paths absolute, the search space inside.
        path: The file it was read from.
    """

    config: StudyConfig
    path: Path

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.config.search.space

    @cached_property
    def tried(self) -> tuple[Configuration, ...]:
        """The configurations that its trials use, apart from soft-label weights, temperatures and learning rates."""
        return self.space.tried(experiments=self.config.search.strategy is Strategy.EXPERIMENTS)

    @property
    def keeps_attention(self) -> bool:
        """Whether trials keep their attention on a few examples: in studies of experiments that compare attention."""
        experiments = self.config.search.strategy is Strategy.EXPERIMENTS
        return experiments and any(each.attention_weight for each in self.tried)

    @cached_property
    def triples(self) -> tuple[Triple, ...]:
        """The study's triples, in file order."""
        return tuple(_triples(self.config))

    @cached_property
    def teacher_pairs(self) -> tuple[tuple[TeacherSpec, DatasetSpec], ...]:
        """The (teacher, data set) pairs that the triples need, each once."""
        pairs = {(t.teacher.name, t.dataset.name): (t.teacher, t.dataset) for t in self.triples}
        return tuple(pairs.values())

    def student_recipe(self, dataset: DatasetSpec) -> TrainingRecipe:
        """The study's recipe with the data set's own keys on top."""
        return TrainingRecipe.model_validate({**self.config.training.model_dump(), **dataset.training})

    def teacher_recipe(self, teacher: TeacherSpec, dataset: DatasetSpec) -> TrainingRecipe:
        """The students' recipe without sequence-level distillation, with the teacher's own keys on top."""
        recipe = self.student_recipe(dataset).model_dump(exclude={"sequence_level"})
        return TrainingRecipe.model_validate({**recipe, **teacher.training})

    def student_source(self, student: StudentSpec) -> tuple[str, str]:
        """Reference and revision of the model that a student starts from, a teacher's name resolved to its model."""
        for teacher in self.config.teachers:
            if teacher.name == student.source:
                return teacher.model, teacher.revision or ""
        return student.source, student.revision or ""

    @staticmethod
    def teacher_source(teacher: TeacherSpec, dataset: DatasetSpec) -> tuple[str, ...]:
        """The source of a teacher on a data set: its given checkpoint folders, or its model and revision."""
        return teacher.checkpoints.get(dataset.name) or (teacher.model, teacher.revision or "")

    def to_yaml(self) -> str:
        """The resolved study as YAML, which loads again from any folder."""
        values = self.config.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"mirror"})
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)


def load_study(path: Path, *, find_models: bool = True) -> Study:
    """Read and check a study file.

    Args:
        path: The file.
        find_models: Report missing local models; a study can also be read without them.

    Raises:
        InputError: All faults of the file at once, each with key, value and what would be right.
    """
    values = read_yaml(path)
    faults: list[Fault] = []
    if isinstance(values.get("datasets"), list):
        values["datasets"] = _expand_datasets(values, path, faults)
    _resolve_space(values, path, faults)
    _resolve_models(values, path, faults if find_models else [])
    config = None
    try:
        config = StudyConfig.model_validate(values)
    except ValidationError as error:
        known = {found.key for found in faults}
        faults += [found for found in validation_faults(error, StudyConfig, path) if found.key not in known]
    faults += _cross_faults(values, path)
    if faults or config is None:
        raise InputError(faults)
    study = Study(config, path)
    if faults := [*_top_k_faults(study), *_stopping_faults(study)]:
        raise InputError(faults)
    return study


def _expand_datasets(values: dict[str, Any], path: Path, faults: list[Fault]) -> list[Any]:
    """Data set entries with expanded presets and absolute paths; faulty entries are replaced by stand-ins."""
    mirror = path.parent / str(values["mirror"]) if values.get("mirror") else None
    expanded: list[Any] = []
    for index, entry in enumerate(values["datasets"]):
        try:
            expanded.append(
                expand_dataset(entry, folder=path.parent, mirror=mirror, where=path, key=f"datasets[{index}]")
            )
        except InputError as error:
            faults.extend(error.faults)
            expanded.append(_stand_in(entry, index))
    return expanded


def _stand_in(entry: Any, index: int) -> dict[str, str]:
    """A valid data set in place of a faulty one, so that the rest of the file is checked too."""
    name = entry.get("name", entry.get("preset")) if isinstance(entry, dict) else entry
    return {"name": name if isinstance(name, str) else f"dataset{index}", "task": "classification", "path": "."}


def _resolve_space(values: dict[str, Any], path: Path, faults: list[Fault]) -> None:
    search = values.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    own = dict(space) if isinstance(space, dict) else {}
    name = own.pop("preset", None) if own else space
    if not isinstance(search, dict) or not isinstance(name, str):
        return
    try:
        values["search"] = {**search, "space": load_space(name, path.parent, path, own)}
    except InputError as error:
        faults.extend(error.faults)
        stand_in = "internal" if search.get("strategy") == Strategy.EXPERIMENTS else "demo"
        values["search"] = {**search, "space": load_space(stand_in)}  # so that the rest is checked too


def _resolve_models(values: dict[str, Any], path: Path, faults: list[Fault]) -> None:
    """Make local model paths absolute, and report missing ones."""
    teachers = [entry.get("name") for entry in _entries(values, "teachers")]
    for kind, key in (("teachers", "model"), ("students", "from")):
        for index, entry in enumerate(_entries(values, kind)):
            where = f"{kind}[{index}]"
            if isinstance(entry.get("embeddings"), str) and not entry["embeddings"].startswith(PACKAGE_PREFIX):
                entry["embeddings"] = _local(entry["embeddings"], path, f"{where}.embeddings", faults)
            if entry.get("architecture", "transformer") != "transformer" and teachers:
                entry.setdefault("from", teachers[0])  # whose tokenizer it takes
            if not isinstance(entry.get(key), str) or (kind == "students" and entry[key] in teachers):
                continue
            entry[key] = _local(entry[key], path, f"{where}.{key}", faults)
            checkpoints = entry.get("checkpoints")
            if not isinstance(checkpoints, dict):
                continue
            for name, folders in checkpoints.items():
                if isinstance(folders, list):
                    at = f"{where}.checkpoints.{name}"
                    checkpoints[name] = [_local(f"./{folder}", path, at, faults) for folder in folders]


def _local(reference: str, path: Path, key: str, faults: list[Fault]) -> str:
    """The absolute path of an existing folder or file; any other reference unchanged."""
    folder = path.parent / Path(reference.removeprefix("./")).expanduser()
    if folder.is_dir() or (folder.is_file() and key.endswith("embeddings")):
        return str(folder.resolve())
    if reference.startswith((".", "/", "~")):
        what = "file or folder" if key.endswith("embeddings") else "folder"
        faults.append(Fault(str(path), key, reference, f"no such {what}"))
    return reference


def _triples(config: StudyConfig) -> Iterator[Triple]:
    teachers = {part.name: part for part in config.teachers}
    students = {part.name: part for part in config.students}
    datasets = {part.name: part for part in config.datasets}
    named: Iterable[tuple[str, str, str]] = (
        ((t, s, d) for d in datasets for t in teachers for s in students) if config.triples == "all" else config.triples
    )
    for teacher, student, dataset in named:
        yield Triple(teacher=teachers[teacher], student=students[student], dataset=datasets[dataset])


def _entries(values: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The entries of teachers, students or datasets; an empty one for each that is not a mapping."""
    entries = values.get(kind)
    return [entry if isinstance(entry, dict) else {} for entry in entries] if isinstance(entries, list) else []


def _cross_faults(values: dict[str, Any], path: Path) -> list[Fault]:
    """Faults that concern several keys: repeated names, unknown names, recipes of teachers."""
    faults = []
    names = {kind: [entry.get("name") for entry in _entries(values, kind)] for kind in NOUNS}
    for kind, given in names.items():
        for index, name in enumerate(given):
            if name is not None and name in given[:index]:
                faults.append(Fault(str(path), f"{kind}[{index}].name", name, f"appears twice in {kind}"))
    for kind, reserved in RESERVED.items():
        for index, name in enumerate(names[kind]):
            if name in reserved:
                faults.append(
                    Fault(str(path), f"{kind}[{index}].name", name, "is reserved for the report: choose another name")
                )
    triples = values.get("triples")
    for index, triple in enumerate(triples if isinstance(triples, list) else ()):
        for kind, name in zip(NOUNS, triple if isinstance(triple, list) else (), strict=False):
            if name not in names[kind]:
                faults.append(Fault(str(path), f"triples[{index}]", triple, _no_such(kind, name, names)))
    for index, teacher in enumerate(_entries(values, "teachers")):
        faults += _checkpoint_faults(teacher, f"teachers[{index}]", names, path)
    for kind in ("datasets", "teachers"):
        for index, entry in enumerate(_entries(values, kind)):
            faults += _recipe_faults(entry.get("training"), f"{kind}[{index}].training", path)
    for index, teacher in enumerate(_entries(values, "teachers")):
        training = teacher.get("training")
        own: dict[str, Any] = training if isinstance(training, dict) else {}
        for name in TRANSLATION_KEYS:
            if own.get(name):
                message = "is for students only: it says how they learn from their teacher's translations"
                faults.append(Fault(str(path), f"teachers[{index}].training.{name}", own[name], message))
    return faults


def _top_k_faults(study: Study) -> Iterator[Fault]:
    """Searches that need more than a teacher's likeliest tokens."""
    if all(study.student_recipe(dataset).teacher_top_k is None for dataset in study.config.datasets):
        return
    why = "the likeliest tokens only (training.teacher_top_k)"
    distances = sorted({str(each.distance) for each in study.tried})
    if distances != [Distance.CE]:
        yield Fault(str(study.path), "search.space.choices.distance", distances, f"{why} allow [ce] only")
    if study.space.temperature.coarse() != (1.0,):
        message = f"{why} allow 1 only: {{start: 1, stop: 1, num: 1, fine: 0, default: 1}}"
        values = list(study.space.temperature.coarse())
        yield Fault(str(study.path), "search.space.temperature", values, message)


def _stopping_faults(study: Study) -> Iterator[Fault]:
    """Early stopping although scores cannot be compared by epoch, or although training ends before it."""
    if (stopping := study.config.search.stopping) is None:
        return
    schedules = sorted({str(each.schedule) for each in study.tried if each.schedule is not Schedule.JOINT})
    if schedules:
        message = f"scores of training in stages ({', '.join(schedules)}) cannot be compared by epoch: leave it out"
        yield Fault(str(study.path), "search.stopping", str(stopping.rule), message)
    longest = max(study.student_recipe(dataset).epochs for dataset in study.config.datasets)
    if stopping.grace_epochs >= longest:
        message = f"must be less than the {longest:g} epochs of training, or no trial would be stopped"
        yield Fault(str(study.path), "search.stopping.grace_epochs", stopping.grace_epochs, message)


def _checkpoint_faults(teacher: dict[str, Any], key: str, names: dict[str, list[Any]], path: Path) -> Iterator[Fault]:
    checkpoints = teacher.get("checkpoints")
    for name in checkpoints if isinstance(checkpoints, dict) else ():
        if name not in names["datasets"]:
            yield Fault(str(path), f"{key}.checkpoints", name, _no_such("datasets", name, names))


def _recipe_faults(training: Any, key: str, path: Path) -> Iterator[Fault]:
    """Faults of keys that differ from the study's recipe."""
    try:
        TrainingRecipe.model_validate(training if isinstance(training, dict) else {})
    except ValidationError as error:
        for found in validation_faults(error, TrainingRecipe, path):
            yield Fault(found.where, f"{key}.{found.key}", found.value, found.message)


def _no_such(kind: str, name: Any, names: dict[str, list[Any]]) -> str:
    known = {given for given in names[kind] if isinstance(given, str)}
    return f"no {NOUNS[kind]} {name!r}; {nearest(name, known)}"
