"""The search of a whole study: which trials are wanted now, given the records there are. Pure: no torch, no ray.

A study's state is this object, rebuilt from the ledger: launch asks it what to run, status and analysis read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from search_spaces.configuration import Configuration
from search_spaces.space import SearchSpace
from study.config import SearchConfig, Strategy, Study, Tuning
from study.searchers.chain import Chain, Score, Search, Stopped
from study.searchers.exhaustive import PointSearch, drawn
from study.searchers.greedy import GreedySearch, Step
from study.searchers.named import NamedSearch
from study.searchers.stable import FixedChoice, lazy_choice, lazy_tuner, stable_choice
from study.searchers.tpe import TreeSearch
from study.searchers.tuning import Tuner, coordinate, joint, optuna_tpe
from trials.record import Record, SpeedRecord, Status, TeacherRecord, TrialRecord, work_of
from trials.spec import DatasetSpec, StudentSpec, TeacherSpec, TeacherTask, TrialSpec, Triple
from trials.tasks import task_of
from trials.work import SpeedSettings, SpeedTask, Work, record_ids, work_id


@dataclass(frozen=True)
class Fingerprints:
    """Content hashes of what a study starts from.

    Attributes:
        data: By data set name.
        models: Pretrained models and given checkpoints, by what `Study.teacher_source` or `Study.student_source` name.
        vectors: Files of word vectors, by what students call them.
    """

    data: dict[str, str] = field(default_factory=dict)
    models: dict[tuple[str, ...], str] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)

    def of_student(self, study: Study, student: StudentSpec) -> str:
        """Of what a student starts from, its word vectors among it; empty where it is not known."""
        model = self.models.get(study.student_source(student), "")
        return model if student.embeddings is None else f"{model}+{self.vectors.get(student.embeddings, '')}"

    @classmethod
    def from_records(cls, study: Study, records: Iterable[Record]) -> Fingerprints:
        """What the newest records say, for reading a study whose data are not at hand."""
        data: dict[str, str] = {}
        models: dict[tuple[str, ...], str] = {}
        vectors: dict[str, str] = {}
        teachers = {(t.name, d.name): study.teacher_source(t, d) for t, d in study.teacher_pairs}
        students = {student.name: study.student_source(student) for student in study.config.students}
        for record in sorted(records, key=lambda record: record.run.finished_at):
            if isinstance(record, TeacherRecord):
                pair = (record.task.teacher.name, record.task.dataset.name)
                data[record.task.dataset.name] = record.task.data_fingerprint
                if pair in teachers:
                    models[teachers[pair]] = record.task.model_fingerprint
            elif isinstance(record, TrialRecord) and record.spec.triple.student.name in students:
                model, _, of_vectors = record.spec.source_fingerprint.partition("+")
                models[students[record.spec.triple.student.name]] = model
                if of_vectors:
                    vectors[record.spec.triple.student.embeddings or ""] = of_vectors
        return cls(data, models, vectors)


class TripleSearch:
    """All chains of one triple, once its teacher is ready.

    Attributes:
        triple: The triple.
        search: The search and what it has found.
        lazy, stable: The evaluations that follow it; None until they start, or where the study has none.
    """

    def __init__(self, triple: Triple, owner: StudySearch, teacher: TeacherRecord):
        self.triple = triple
        self.teacher = teacher
        self._owner = owner
        self.search = make_search(
            owner.study.space if triple.student.distil else owner.study.space.without_teacher(),
            owner.study.config.search,
            one_checkpoint=teacher.one_checkpoint,
            softmax=task_of(triple.dataset).softmax,
            seed=triple.triple_id,
        )
        self._specs: dict[tuple[Configuration, int, bool], TrialSpec] = {}
        self.lazy: FixedChoice | None = None
        self.stable: FixedChoice | None = None
        self.chain = self._chain(self.search)
        self._evaluations: list[Chain] = []
        self.advance()

    @property
    def include_stopped(self) -> bool:
        """As of `StudySearch`."""
        return self._owner.include_stopped

    @property
    def searched(self) -> bool:
        """Whether the search has ended."""
        return self.chain.finished

    @property
    def finished(self) -> bool:
        """Whether the search and the evaluations started so far have ended."""
        return all(chain.finished for chain in (self.chain, *self._evaluations))

    @property
    def failure(self) -> str | None:
        """Why the search ended early, if it did."""
        return self.chain.failure

    def propose(self) -> list[TrialSpec]:
        """The trials that this triple waits for."""
        specs = [self.spec(*pair) for pair in self.chain.propose()]
        references = dict.fromkeys(pair for chain in self._evaluations for pair in chain.propose())
        specs += [self.spec(*pair, undisturbed=True) for pair in references]
        return list({spec.trial_id: spec for spec in specs}.values())

    def advance(self) -> None:
        """Go on as far as the records reach; the lazy baseline follows the search."""
        self.chain.advance()
        if self.searched and not self.failure and self.lazy is None and self._evaluates("lazy"):
            self.lazy = self._evaluate(lazy_choice(self._owner.study.space, self.triple.triple_id), lazy_tuner)
        for chain in self._evaluations:
            chain.advance()

    def evaluate_stable(self, choice: Configuration) -> None:
        """Evaluate the study's stable configuration on this triple."""
        if self.stable is None and not self.failure:
            self.stable = self._evaluate(choice, make_tuner(self._owner.study.config.search))

    def spec(self, configuration: Configuration, seed: int, *, undisturbed: bool = False) -> TrialSpec:
        """The trial of one configuration and seed on this triple; configurations may share one.

        Args:
            configuration: What is tried.
            seed: With which seed.
            undisturbed: Never stop it early, as those that others are measured by.
        """
        key = configuration, seed, undisturbed
        if key not in self._specs:
            self._specs[key] = self._spec(*key)
        return self._specs[key]

    def _spec(self, configuration: Configuration, seed: int, undisturbed: bool) -> TrialSpec:
        study, fingerprints = self._owner.study, self._owner.fingerprints
        trained, stopping = self._trained(configuration), study.config.search.stopping
        if stopping is not None and (undisturbed or self.is_default(trained)):
            stopping = None
        return TrialSpec(
            triple=self.triple,
            configuration=trained,
            seed=seed,
            stopping=stopping,
            training=study.student_recipe(self.triple.dataset),
            data_fingerprint=self.teacher.task.data_fingerprint,
            teacher_fingerprint=self.teacher.selected(trained.teacher_checkpoint).fingerprint or "",
            source_fingerprint=fingerprints.of_student(study, self.triple.student),
        )

    def _trained(self, configuration: Configuration) -> Configuration:
        return configuration if task_of(self.triple.dataset).softmax else configuration.without_softmax()

    def is_default(self, trained: Configuration) -> bool:
        """Whether it is the default choice, at any learning rate and temperature."""
        default = self._owner.study.space.default()
        default = replace(default, learning_rate=trained.learning_rate, temperature=trained.temperature)
        return trained == self._trained(default.canonical(one_checkpoint=self.teacher.one_checkpoint))

    def records(self, configuration: Configuration) -> list[TrialRecord]:
        """The records of one configuration on this triple, one per finished seed; stopped ones without others."""
        seeds = self._owner.study.config.seeds
        trials = [[self.spec(configuration, seed, undisturbed=each) for each in (True, False)] for seed in seeds]
        found = [self._owner.trial_record(ended) or self._owner.trial_record(spec) for ended, spec in trials]
        return [record for record in found if record is not None]

    def _evaluates(self, reference: str) -> bool:
        return reference in self._owner.study.config.search.evaluate

    def _evaluate(self, choice: Configuration, tuner: Tuner) -> FixedChoice:
        one_checkpoint = self.teacher.one_checkpoint
        search = FixedChoice(choice, tuner, self._owner.study.space, one_checkpoint=one_checkpoint)
        self._evaluations.append(self._chain(search, undisturbed=True))
        return search

    def _chain(self, search: Search, *, undisturbed: bool = False) -> Chain:
        def lookup(configuration: Configuration, seed: int) -> tuple[Score] | None:
            record = self._owner.trial_record(self.spec(configuration, seed, undisturbed=undisturbed))
            return None if record is None else (_score_of(record),)

        return Chain(search, self._owner.study.config.seeds, lookup)


class StudySearch:
    """Proposes teacher preparations and trials; observes records, in any order.

    Attributes:
        study: The study.
        fingerprints: Content hashes that records must match; records of other contents are ignored.
        include_stopped: Whether who reads results counts stopped trials by what they had come to; searches never do.
        triples: Started triples by id.
    """

    def __init__(
        self, study: Study, fingerprints: Fingerprints, records: Iterable[Record] = (), *, include_stopped: bool = False
    ):
        self.study = study
        self.fingerprints = fingerprints
        self.include_stopped = include_stopped
        self.triples: dict[str, TripleSearch] = {}
        self._trials: dict[str, TrialRecord] = {}
        self._teachers: dict[str, TeacherRecord] = {}
        self._speed_records: dict[str, SpeedRecord] = {}
        self._teacher_tasks = {(t.name, d.name): self._teacher_task(t, d) for t, d in study.teacher_pairs}
        for record in records:
            self._remember(record)
        self._advance(study.triples)

    def propose(self) -> list[Work]:
        """All work that can start now: teachers first, then the trials of the chains that have done least.

        Response times come when all else has its record, one at a time, so that nothing runs beside them.
        """
        tasks = self._teacher_tasks.values()
        missing: list[Work] = [task for task in tasks if task.teacher_id not in self._teachers]
        chains = sorted(self.triples.values(), key=lambda triple: triple.chain.requests_done)
        trials: list[Work] = [spec for triple in chains for spec in triple.propose()]
        return missing + trials or self._speeds()[:1]

    def observe(self, record: Record) -> None:
        """Take in one record."""
        self._remember(record)
        concerned = record.task.dataset.name if isinstance(record, TeacherRecord) else None
        self._advance(
            triple
            for triple in self.study.triples
            if triple.dataset.name == concerned or triple.triple_id == getattr(record, "triple_id", None)
        )

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: every teacher decided, every chain ended."""
        return not self.propose()

    @property
    def failures(self) -> dict[str, str]:
        """Failed chains by triple id, each with its reason."""
        found = {}
        for triple in self.study.triples:
            teacher = self.teacher_record(triple.teacher, triple.dataset)
            if teacher is not None and not teacher.status.has_scores:
                found[triple.triple_id] = f"teacher {triple.teacher.name}: {teacher.reason}"
            elif (started := self.triples.get(triple.triple_id)) and started.failure:
                found[triple.triple_id] = started.failure
        return found

    @property
    def steps(self) -> Iterator[Step]:
        """The steps of all triples."""
        return (step for triple in self.triples.values() for step in triple.search.steps)

    @property
    def stable_choice(self) -> Configuration | None:
        """The choices that rewards pick; None until every search has ended."""
        ended = self.failures.keys() | {name for name, triple in self.triples.items() if triple.searched}
        if len(ended) < len(self.study.triples) or not self.triples:
            return None
        return stable_choice(self.steps, self.study.space)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trial records observed so far, those of other contents included."""
        return list(self._trials.values())

    @property
    def num_trials(self) -> int:
        """How many trial records were observed so far."""
        return len(self._trials)

    @property
    def settled(self) -> set[str]:
        """Ids of work that has a record and is not wanted again; what was stopped by another rule may be."""
        records: list[Record] = [*self._teachers.values(), *self._speed_records.values(), *self._trials.values()]
        return {work_of(record) for record in records} - {work_id(work) for work in self.propose()}

    def trial_record(self, spec: TrialSpec) -> TrialRecord | None:
        """The record of a trial, if it has finished."""
        found = (self._trials.get(record_id) for record_id in record_ids(spec))
        return next((record for record in found if record is not None), None)

    def teacher_record(self, teacher: TeacherSpec, dataset: DatasetSpec) -> TeacherRecord | None:
        """The record of a teacher's preparation for a data set, if it has finished."""
        return self._teachers.get(self._teacher_tasks[teacher.name, dataset.name].teacher_id)

    def _remember(self, record: Record) -> None:
        if isinstance(record, TeacherRecord):
            self._teachers[record.record_id] = record
        elif isinstance(record, SpeedRecord):
            self._speed_records[record.record_id] = record
        else:
            self._trials[record.record_id] = record

    def _advance(self, triples: Iterable[Triple]) -> None:
        for triple in triples:
            teacher = self.teacher_record(triple.teacher, triple.dataset)
            if teacher is None or not teacher.status.has_scores:
                continue
            if triple.triple_id in self.triples:
                self.triples[triple.triple_id].advance()
            else:
                self.triples[triple.triple_id] = TripleSearch(triple, self, teacher)
        self._start_stable()

    def _start_stable(self) -> None:
        if "stable" in self.study.config.search.evaluate and (choice := self.stable_choice):
            for triple in self.triples.values():
                triple.evaluate_stable(choice)

    def _speeds(self) -> list[Work]:
        """The response times that are missing."""
        if (settings := self.study.config.speed) is None:
            return []
        tasks = [self._speed_task(*pair, settings) for pair in self.study.teacher_pairs]
        return [task for task in tasks if task.speed_id not in self._speed_records]

    def speed_record(self, teacher: TeacherSpec, dataset: DatasetSpec) -> SpeedRecord | None:
        """The record of a teacher's and its students' response times on a data set, if there is one."""
        if (settings := self.study.config.speed) is None:
            return None
        return self._speed_records.get(self._speed_task(teacher, dataset, settings).speed_id)

    def _speed_task(self, teacher: TeacherSpec, dataset: DatasetSpec, settings: SpeedSettings) -> SpeedTask:
        triples = [t for t in self.study.triples if (t.teacher, t.dataset) == (teacher, dataset)]
        students = tuple(triple.student for triple in triples)
        sources = (teacher.model, teacher.revision or ""), *map(self.study.student_source, students)
        return SpeedTask(
            teacher=teacher,
            students=students,
            dataset=dataset,
            max_length=settings.max_length or self.study.student_recipe(dataset).max_length,
            settings=settings,
            seed=self.study.config.seeds[0],
            data_fingerprint=self.fingerprints.data.get(dataset.name, ""),
            sources=sources,
            fingerprints=(
                self.fingerprints.models.get(sources[0], ""),
                *(self.fingerprints.of_student(self.study, student) for student in students),
            ),
        )

    def _teacher_task(self, teacher: TeacherSpec, dataset: DatasetSpec) -> TeacherTask:
        return TeacherTask(
            teacher=teacher,
            dataset=dataset,
            training=self.study.teacher_recipe(teacher, dataset),
            data_fingerprint=self.fingerprints.data.get(dataset.name, ""),
            model_fingerprint=self.fingerprints.models.get(self.study.teacher_source(teacher, dataset), ""),
        )


def _score_of(record: TrialRecord) -> Score:
    if record.status is Status.STOPPED and record.validation_score is not None:
        return Stopped(record.validation_score, record.curve[-1].epoch)
    return record.validation_score


def work_name(work: Work) -> str:
    """Whose work it is: a triple's id, or the teacher and its data set."""
    if isinstance(work, TeacherTask):
        return f"teacher {work.teacher.name} on {work.dataset.name}"
    if isinstance(work, SpeedTask):
        return f"response times on {work.dataset.name}"
    return work.triple.triple_id


def make_search(
    space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool = True, seed: str = ""
) -> GreedySearch | PointSearch:
    """The search of one triple that a study file names.

    Args:
        space: What it searches.
        search: How it searches.
        one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        softmax: Whether the task's outputs are logits.
        seed: What makes the triple's random numbers its own.
    """
    if search.strategy in (Strategy.GREEDY, Strategy.EXPERIMENTS):
        kind = NamedSearch if search.strategy is Strategy.EXPERIMENTS else GreedySearch
        return kind(space, make_tuner(search), one_checkpoint=one_checkpoint)
    points = grid_of(space, one_checkpoint, softmax)
    if search.trials is None:
        return PointSearch(points)
    if search.strategy is Strategy.RANDOM:
        return PointSearch(drawn(points, search.trials, search.seed, seed))
    return TreeSearch(points, search.trials, search.batch, search.seed, seed)


@lru_cache(maxsize=8)
def grid_of(space: SearchSpace, one_checkpoint: bool, softmax: bool) -> tuple[Configuration, ...]:
    """`SearchSpace.grid`, computed once."""
    return space.grid(one_checkpoint=one_checkpoint, softmax=softmax)


def make_tuner(search: SearchConfig) -> Tuner:
    """The tuner that a study file names."""
    if search.tune is Tuning.OPTUNA:
        return optuna_tpe(search.tune_budget)
    return joint if search.tune is Tuning.JOINT else coordinate


def load_search(study: Study, records: Iterable[Record], *, include_stopped: bool = False) -> StudySearch:
    """A study's state from its ledger alone, for status pages and reports."""
    records = list(records)
    return StudySearch(study, Fingerprints.from_records(study, records), records, include_stopped=include_stopped)
