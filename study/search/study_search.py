"""The search of a whole study: the trials to run next, given the records so far. Without torch and Ray.

This object is a study's state, rebuilt from the ledger. A launch asks it for work; status and analysis read it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from statistics import median

from search_spaces import Configuration
from study.config import Study
from study.search.fingerprints import Fingerprints
from study.search.pieces_of_work import speed_task, teacher_task
from study.search.priority import RemainingRequests, estimated_seconds_left, relative_cost, teachers_by_cost
from study.search.searchers import (
    Chain,
    FixedChoiceSearch,
    Score,
    Search,
    Step,
    StoppedScore,
    Tuner,
    lazy_choice,
    lazy_tuner,
    make_search,
    make_tuner,
    stable_choice,
)
from study.search.timing_trials import cost_class, cost_factors, timing_trials
from trials.specs import (
    DatasetSpec,
    Record,
    SpeedRecord,
    Status,
    TeacherRecord,
    TeacherSpec,
    TrialRecord,
    TrialSpec,
    Triple,
    Work,
    record_ids,
    work_id,
    work_id_of_record,
)
from trials.tasks import task_of


class TripleSearch:
    """The search of one triple and its reference evaluations, once its teacher is ready.

    Attributes:
        triple: The triple.
        teacher: Its teacher's record.
        search: The search with its findings so far.
        lazy, stable: The reference evaluations that follow it; None until they start, or if the study has none.
        chain: The chain that runs the search over the records.
        asked: Ids of the records of all requested trials.
        num_recorded: Number of requested trials that have a record.
        num_observed: Number of updates that may concern it; a change means that earlier results may be out of date.
        seconds: Median seconds of its trials; None before the first.
        relative_cost: Cost of a trial relative to other triples, known before any trial.
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
        self.lazy: FixedChoiceSearch | None = None
        self.stable: FixedChoiceSearch | None = None
        self.chain = self.chain_of(self.search)
        self._evaluations: list[Chain] = []
        self.asked: frozenset[str] = frozenset()
        self._specs_asked: dict[tuple[str, ...], TrialSpec] = {}
        self._num_pairs = 0
        self.num_observed = 0
        self.num_recorded = 0
        self.seconds: float | None = None
        self.relative_cost = relative_cost(owner.study, triple, teacher.rows.get("train", 1))
        self.advance()

    @property
    def include_stopped(self) -> bool:
        """See `StudySearch`."""
        return self._owner.include_stopped

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The search's chain, and those of the evaluations started so far."""
        return self.chain, *self._evaluations

    @property
    def searched(self) -> bool:
        """Whether the search has ended."""
        return self.chain.finished

    @property
    def finished(self) -> bool:
        """Whether the search and the evaluations started so far have ended."""
        return all(chain.finished for chain in self.chains)

    @property
    def failure(self) -> str | None:
        """Why the search ended early, if it did."""
        return self.chain.failure

    @property
    def tried(self) -> dict[Configuration, Score]:
        """Known scores of all requested configurations; scores that the search saw take precedence."""
        return {each: score for chain in reversed(self.chains) for each, score in chain.tried.items()}

    @property
    def pending(self) -> RemainingRequests:
        """The requests that it has left, and their cost."""
        return RemainingRequests(self.seconds, self.relative_cost, max(chain.requests_left for chain in self.chains))

    def propose(self) -> list[TrialSpec]:
        """The trials that this triple waits for."""
        specs = [spec for chain in self.chains for spec in self._specs_of(chain, chain.propose())]
        return list({spec.trial_id: spec for spec in specs}.values())

    def advance(self) -> None:
        """Continue as far as the records allow; the lazy baseline follows the search."""
        self.chain.advance()
        if self.searched and not self.failure and self.lazy is None and self._owner.evaluates_reference("lazy"):
            self.lazy = self.lazy_search()
            self._evaluations.append(self.chain_of(self.lazy, never_stopped=True))
        for chain in self._evaluations:
            chain.advance()
        self._take_stock()

    def evaluate_stable(self, choice: Configuration) -> None:
        """Evaluate the study's stable configuration on this triple."""
        if self.stable is None and not self.failure:
            self.stable = self.stable_search(choice)
            self._evaluations.append(self.chain_of(self.stable, never_stopped=True))
            self._take_stock()

    def lazy_search(self) -> FixedChoiceSearch:
        """The evaluation of the lazy baseline."""
        return self._fixed(lazy_choice(self._owner.study.space, self.triple.triple_id), lazy_tuner)

    def stable_search(self, choice: Configuration) -> FixedChoiceSearch:
        """The evaluation of a stable configuration."""
        return self._fixed(choice, make_tuner(self._owner.study.config.search))

    def spec(self, configuration: Configuration, seed: int, *, never_stopped: bool = False) -> TrialSpec:
        """The trial of one configuration and seed on this triple; configurations may share one.

        Args:
            configuration: The configuration to try.
            seed: The seed.
            never_stopped: Never stop it early, because other trials are compared with it.
        """
        key = configuration, seed, never_stopped
        if key not in self._specs:
            self._specs[key] = self._spec(*key)
        return self._specs[key]

    def _spec(self, configuration: Configuration, seed: int, never_stopped: bool) -> TrialSpec:
        study, fingerprints = self._owner.study, self._owner.fingerprints
        trained, stopping = self._trained(configuration), study.config.search.stopping
        if stopping is not None and (never_stopped or self.is_default(trained)):
            stopping = None
        return TrialSpec(
            triple=self.triple,
            configuration=trained,
            seed=seed,
            stopping=stopping,
            training=study.student_recipe(self.triple.dataset),
            data_fingerprint=self.teacher.task.data_fingerprint,
            teacher_fingerprint=self.teacher.selected(trained.teacher_checkpoint).fingerprint or "",
            source_fingerprint=fingerprints.student_fingerprint(study, self.triple.student),
        )

    def _trained(self, configuration: Configuration) -> Configuration:
        return configuration if task_of(self.triple.dataset).softmax else configuration.without_softmax()

    def is_default(self, trained: Configuration) -> bool:
        """Whether it is the default choice, at any learning rate and temperature."""
        default = self._owner.study.space.default()
        default = replace(default, learning_rate=trained.learning_rate, temperature=trained.temperature)
        return trained == self._trained(default.canonical(one_checkpoint=self.teacher.one_checkpoint))

    def records(self, configuration: Configuration) -> list[TrialRecord]:
        """The records of one configuration on this triple, one per finished seed; stopped ones if there are no others.

        Only records of requested trials count.
        """
        seeds = self._owner.study.config.seeds
        trials = [[self.spec(configuration, seed, never_stopped=each) for each in (True, False)] for seed in seeds]
        found = [self._owner.trial_record(ended) or self._owner.trial_record(spec) for ended, spec in trials]
        return [record for record in found if record is not None and record.record_id in self.asked]

    def chain_of(self, search: Search, *, never_stopped: bool = False) -> Chain:
        """A chain that runs a search over this triple's records, or over those of never-stopped trials."""

        def lookup(configuration: Configuration, seed: int) -> tuple[Score] | None:
            record = self._owner.trial_record(self.spec(configuration, seed, never_stopped=never_stopped))
            return None if record is None else (_score_of(record),)

        return Chain(search, self._owner.study.config.seeds, lookup)

    def _fixed(self, choice: Configuration, tuner: Tuner) -> FixedChoiceSearch:
        return FixedChoiceSearch(choice, tuner, self._owner.study.space, one_checkpoint=self.teacher.one_checkpoint)

    def _specs_of(self, chain: Chain, pairs: Iterable[tuple[Configuration, int]]) -> list[TrialSpec]:
        return [self.spec(*pair, never_stopped=chain is not self.chain) for pair in pairs]

    def _take_stock(self) -> None:
        self.num_observed += 1
        if (number := sum(len(chain.asked) for chain in self.chains)) != self._num_pairs:
            specs = [spec for chain in self.chains for spec in self._specs_of(chain, chain.asked)]
            self._specs_asked, self._num_pairs = {record_ids(spec): spec for spec in specs}, number
            self.asked = frozenset(record_id for spec in specs for record_id in record_ids(spec))
        found = map(self._owner.trial_record, self._specs_asked.values())
        seconds = {record.record_id: record.run.seconds for record in found if record is not None}
        self.num_recorded = len(seconds)
        self.seconds = median(seconds.values()) if seconds else None


class StudySearch:
    """Proposes teacher preparations and trials; observes records, in any order.

    Attributes:
        study: The study.
        fingerprints: Content hashes that records must match; records of other contents are ignored.
        include_stopped: Whether results count stopped trials by their best score so far; searches never do.
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
        self._timed_factors: set[Hashable] = set()  # of the trials observed so far
        self._cost_classes = {cost_class(each.canonical()) for each in study.tried}
        self._teacher_tasks = {
            (t.name, d.name): teacher_task(study, fingerprints, t, d) for t, d in teachers_by_cost(study)
        }
        for record in records:
            self._remember(record)
        self._advance(study.triples)

    def propose(self) -> list[Work]:
        """All work that can start now: teachers first, then the trials of the triples with the most time left.

        The teacher whose students cost most comes first. Among trials, the first ones of each triple, data set, student
        and cost class come first, because they tell how long others take. Response times come last, when all other work
        has its record, and one at a time, so that nothing else runs meanwhile.
        """
        tasks = self._teacher_tasks.values()
        missing: list[Work] = [task for task in tasks if task.teacher_id not in self._teachers]
        trials = [spec for triple in self.triples_by_priority() for spec in triple.propose()]
        first = [] if self.every_triple_timed and self._cost_classes <= self._timed_factors else self._timing_trials()
        return [*missing, *{spec.trial_id: spec for spec in first + trials}.values()] or self._speeds()[:1]

    def _timing_trials(self) -> list[TrialSpec]:
        """Timing trials, in the study's order, not by cost: the costliest triple would tell little about the others."""
        started = [self.triples[t.triple_id] for t in self.study.triples if t.triple_id in self.triples]
        return timing_trials((spec for triple in started for spec in triple.propose()), self._timed_factors)

    def triples_by_priority(self) -> list[TripleSearch]:
        """The started triples, those whose trials come first in front."""
        left = estimated_seconds_left([triple.pending for triple in self.triples.values()])
        return [
            triple for _, triple in sorted(zip(left, self.triples.values(), strict=True), key=lambda pair: -pair[0])
        ]

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
        """Whether no work is left: all teachers are decided and all searches have ended."""
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
        """The stable configuration, which the rewards select; None until all searches have ended."""
        ended = self.failures.keys() | {name for name, triple in self.triples.items() if triple.searched}
        if len(ended) < len(self.study.triples) or not self.triples:
            return None
        return stable_choice(self.steps, self.study.space)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trial records observed so far, including those of other data, models or recipes."""
        return list(self._trials.values())

    @property
    def every_triple_timed(self) -> bool:
        """Whether every triple has a finished trial, which tells how long its others take."""
        return all(triple.triple_id in self._timed_factors for triple in self.study.triples)

    @property
    def needs_plan(self) -> bool:
        """Whether some work left has only a planned duration: triples without trials, response times."""
        return not self.every_triple_timed or (bool(self._speeds()) and not self._speed_records)

    @property
    def records(self) -> list[Record]:
        """All records observed so far."""
        return [*self._teachers.values(), *self._speed_records.values(), *self._trials.values()]

    @property
    def num_trials(self) -> int:
        """Number of requested trials that have a record."""
        return sum(triple.num_recorded for triple in self.triples.values())

    @property
    def extra_trials(self) -> list[TrialRecord]:
        """Trial records that the search has not requested: speculative ones, or of other data, models or recipes."""
        return [record for record in self._trials.values() if not self.has_requested(record)]

    def has_requested(self, record: TrialRecord) -> bool:
        """Whether the search has requested a trial; it uses no others."""
        triple = self.triples.get(record.triple_id)
        return triple is not None and record.record_id in triple.asked

    def evaluates_reference(self, reference: str) -> bool:
        """Whether every triple is evaluated on a reference configuration: ``lazy`` or ``stable``."""
        return reference in self.study.config.search.evaluate

    @property
    def settled_ids(self) -> set[str]:
        """Ids of work that has a record and is not proposed again; trials stopped by another rule may be."""
        return {work_id_of_record(record) for record in self.records} - {work_id(work) for work in self.propose()}

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
            self._timed_factors |= cost_factors(record.spec.triple, record.configuration)

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
        if self.evaluates_reference("stable") and (choice := self.stable_choice):
            for triple in self.triples.values():
                triple.evaluate_stable(choice)

    def _speeds(self) -> list[Work]:
        """The response times that are missing."""
        if (settings := self.study.config.speed) is None:
            return []
        tasks = [speed_task(self.study, self.fingerprints, *pair, settings) for pair in self.study.teacher_pairs]
        return [task for task in tasks if task.speed_id not in self._speed_records]

    def speed_record(self, teacher: TeacherSpec, dataset: DatasetSpec) -> SpeedRecord | None:
        """The record of a teacher's and its students' response times on a data set, if there is one."""
        if (settings := self.study.config.speed) is None:
            return None
        return self._speed_records.get(speed_task(self.study, self.fingerprints, teacher, dataset, settings).speed_id)


def _score_of(record: TrialRecord) -> Score:
    if record.status is Status.STOPPED and record.validation_score is not None:
        return StoppedScore(record.validation_score, record.curve[-1].epoch)
    return record.validation_score


def load_search(study: Study, records: Iterable[Record], *, include_stopped: bool = False) -> StudySearch:
    """A study's state from its ledger alone, for status pages and reports."""
    records = list(records)
    return StudySearch(study, Fingerprints.from_records(study, records), records, include_stopped=include_stopped)
