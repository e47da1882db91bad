"""The adapter alone, without a cluster: what it hands out when, and what comes back by way of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher
from searcher_cases import build
from simulation import do_work, make_search

from study.config.resources import Resources
from study.config.study_file import Study
from study.launching.tune_searcher import StudySearcher
from study.ledger.record_files import Ledger
from trials.specs.work import SpeedSettings, SpeedTask, Work, work_id
from trials.workers.trainable import WORK


class Tune:
    """Stands for Tune: asks for work until it gets none, and ends some of it."""

    def __init__(self, study: Study, folder: Path, **options: Any):
        self.search = make_search(study)
        self.ledger = Ledger(folder / "ledger")
        self.searcher = StudySearcher(
            self.search,
            self.ledger,
            source_of=lambda work: ("", ""),
            resources=Resources(),
            nodes=list,
            **options,
        )
        self.running: dict[str, Work] = {}
        self.started: list[Work] = []

    def fill(self) -> list[Work]:
        """What is started."""
        new: list[Work] = []
        while isinstance(config := self.searcher.suggest(f"trial{len(self.started)}"), dict):
            new.append(WORK.validate_json(config["work"]))
            self.running[f"trial{len(self.started)}"] = new[-1]
            self.started.append(new[-1])
        return new

    def end(self, name: str, *, lost: bool = False) -> None:
        """A trial ends, with a record if its worker was not lost."""
        work = self.running.pop(name)
        if not lost:
            self.ledger.write(do_work(work))
        self.searcher.on_trial_complete(name)
        assert self.searcher.events.crash is None

    def finish(self) -> None:
        """Run to the end, first come, first served."""
        while self.fill() or self.running:
            self.end(next(iter(self.running)))
        assert self.searcher.suggest("last") == Searcher.FINISHED

    @property
    def wanted(self) -> set[str]:
        """What the search asks for now."""
        return {work_id(work) for work in self.search.propose()}


@pytest.fixture
def speculating(tmp_path: Path) -> Tune:
    return Tune(build("coordinate", students=1), tmp_path, workers=8, speculate=True)


def test_guesses_start_only_when_nothing_that_is_asked_for_waits(speculating: Tune) -> None:
    while True:
        before = speculating.wanted - {work_id(work) for work in speculating.running.values()}
        new = [work_id(work) for work in speculating.fill()]
        assert set(new[: len(before)]) <= before
        if set(new) - before:
            assert before <= set(new)
        assert len(speculating.running) <= 8
        if not speculating.running:
            break
        speculating.end(next(iter(speculating.running)))
    assert speculating.search.finished
    ahead = speculating.searcher.events.ahead
    assert ahead
    done = [record for record in speculating.search.trials if record.record_id in ahead]
    asked = [record for record in done if speculating.search.has_requested(record)]
    assert asked
    # nothing was run twice, and each record was observed
    ids = [work_id(work) for work in speculating.started]
    assert len(ids) == len(set(ids)) == speculating.searcher.events.recorded


def test_without_the_option_nothing_is_run_that_is_not_asked_for(tmp_path: Path) -> None:
    tune = Tune(build("coordinate", students=1), tmp_path, workers=8)
    tune.finish()
    assert tune.searcher.events.ahead == set()
    assert tune.search.extra_trials == []


@pytest.mark.parametrize("most", [1, 4, 6])
def test_guesses_count_as_pieces_of_work(tmp_path: Path, most: int) -> None:
    tune = Tune(build("coordinate", students=1), tmp_path, workers=8, speculate=True, max_trials=most)
    tune.finish()
    assert len(tune.started) == most


def test_nothing_is_guessed_after_a_stop_or_for_a_blocked_chain(speculating: Tune) -> None:
    speculating.fill()  # the teacher
    speculating.end("trial0")
    speculating.fill()
    assert speculating.searcher.events.ahead
    asked = next(name for name, work in speculating.running.items() if work_id(work) in speculating.wanted)
    speculating.end(asked, lost=True)
    assert speculating.fill() == []
    speculating.finish()
    assert not speculating.search.finished
    speculating.searcher.stop()
    assert speculating.searcher.suggest("late") == Searcher.FINISHED


def test_response_times_wait_until_guesses_have_ended(tmp_path: Path) -> None:
    study = build("coordinate", students=1)
    timed = Study(study.config.model_copy(update={"speed": SpeedSettings()}), study.path)
    tune = Tune(timed, tmp_path, workers=30, speculate=True)
    tune.fill()
    tune.end("trial0")
    while True:
        tune.fill()
        alone = [isinstance(work, SpeedTask) for work in tune.running.values()]
        # nothing runs beside them
        assert not any(alone) or len(alone) == 1
        # what is asked for ends first, so that wrong guesses run longest
        ends = [name for name, work in tune.running.items() if work_id(work) in tune.wanted] or list(tune.running)
        if not ends:
            break
        tune.end(ends[0])
    assert isinstance(tune.started[-1], SpeedTask)
    assert tune.search.extra_trials
