"""Early stopping in searches: who may be stopped, what becomes of a stopped trial, and whose its record is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import do_work, hashed_score, make_search, make_study, run_study

from search_spaces.faults import InputError
from search_spaces.space import load_space
from study.config.study_file import Study, load_study
from study.search.searchers.chain import Candidate, Chain, StoppedScore, best_of
from trials.specs.early_stopping import StoppingRule
from trials.specs.records import CurvePoint, Record, Status, TrialRecord
from trials.specs.trial import TrialSpec
from trials.specs.work import record_ids
from trials.workers.early_stopper import EarlyStopperActor

ASHA = {"rule": "asha", "grace_epochs": 1}
SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"strategy": "greedy"},
    "joint": {"strategy": "greedy", "tune": "joint"},
    "optuna_tuner": {"strategy": "greedy", "tune": "optuna", "tune_budget": 6},
    "grid": {"strategy": "grid"},
    "random": {"strategy": "random", "trials": 14},
    "tpe": {"strategy": "optuna", "trials": 14, "batch": 3},
}
every_search = pytest.mark.parametrize("name", SEARCHES)
SPACE = load_space("demo")


def build(name: str, stopping: object = ASHA, **changes: Any) -> Study:
    search = {**SEARCHES[name], "space": SPACE, "stopping": stopping}
    return make_study(**{"datasets": 1, "students": 2, "search": search, **changes})


def by_chance(trial: TrialSpec) -> bool:
    """Half of the trials, the same ones always."""
    return int(trial.trial_id, 16) % 2 == 0


def all_of_them(trial: TrialSpec) -> bool:
    return True


def trials(records: list[Record]) -> list[TrialRecord]:
    return [record for record in records if isinstance(record, TrialRecord)]


def stopped(records: list[Record]) -> list[TrialRecord]:
    return [record for record in trials(records) if record.status is Status.STOPPED]


@every_search
@pytest.mark.parametrize("stops", [by_chance, all_of_them])
def test_stopped_trials_are_decided_and_fail_no_chain(name: str, stops) -> None:
    study = build(name)
    records = run_study(study, stops=stops)
    search = make_search(study, records)
    assert stopped(records)
    assert search.finished
    assert search.failures == {}
    # each was run once
    assert len({record.record_id for record in records}) == len(records)


@every_search
def test_default_choice_and_references_are_never_stopped(name: str) -> None:
    study = build(name)
    records = run_study(study, stops=all_of_them)
    default, search = study.space.default(), make_search(study, records)
    assert all((record.spec.stopping is None) == (record.status is Status.COMPLETED) for record in trials(records))
    undisturbed = [record.configuration for record in trials(records) if record.status is Status.COMPLETED]
    assert name in ("random", "tpe") or default.distance in [each.distance for each in undisturbed]
    for triple in search.triples.values():
        for reference in (triple.lazy, triple.stable):
            assert (reference is None) == (SEARCHES[name]["strategy"] != "greedy")
            assert reference is None or reference.candidate.score is not None
    if SEARCHES[name]["strategy"] == "greedy":
        # nothing is left but the default choice, which another one shares a trial with where the temperature is 1
        assert not any(step.accepted for step in search.steps)
        assert any(step.after.score is None for step in search.steps)
        assert all(triple.search.incumbent.choice.distance == default.distance for triple in search.triples.values())


@every_search
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_replay_from_any_prefix_leads_to_the_same_end(name: str, data: st.DataObject) -> None:
    study = build(name)
    records = run_study(study, stops=by_chance)
    known = records[: data.draw(st.integers(0, len(records)))]
    chance = data.draw(st.randoms(use_true_random=False))
    search, made = make_search(study, chance.sample(known, len(known))), []
    while work := search.propose():
        made.append(do_work(chance.choice(work), stops=by_chance))
        search.observe(made[-1])
    assert {r.record_id for r in made} == {r.record_id for r in records} - {r.record_id for r in known}


def test_completed_trials_are_shared_with_studies_that_stop_none() -> None:
    plain, stops = build("grid", None), build("grid")
    whole = run_study(plain)
    # all records of the one are the other's, so that nothing is left to do
    assert make_search(stops, whole).finished
    part = run_study(stops, stops=by_chance)
    wanted = [work for work in make_search(plain, part).propose() if isinstance(work, TrialSpec)]
    # a stopped one is none of the study that stops none: it is trained to its end, and the others are not again
    assert {work.trial_id for work in wanted} == {record.spec.trial_id for record in stopped(part)}
    assert {record.record_id for record in trials(part)} & {record.record_id for record in trials(whole)}
    assert not {record.record_id for record in stopped(part)} & {record.record_id for record in whole}


def test_another_rule_stops_anew() -> None:
    records = run_study(build("grid"), stops=by_chance)
    other = make_search(build("grid", {**ASHA, "reduction_factor": 4}), records)
    wanted = {work.trial_id for work in other.propose() if isinstance(work, TrialSpec)}
    assert wanted == {record.spec.trial_id for record in stopped(records)}


def test_trial_that_has_both_records_stays_stopped_for_its_search_alone() -> None:
    study = build("grid")
    records = run_study(study, stops=by_chance)
    again = [do_work(record.spec.model_copy(update={"stopping": None})) for record in stopped(records)]
    before, after = make_search(study, records), make_search(study, [*records, *again])
    # as it was when others were tried in view of it
    assert [triple.chain.tried for triple in after.triples.values()] == [
        triple.chain.tried for triple in before.triples.values()
    ]
    # and counts once
    assert after.num_trials == before.num_trials == len(trials(records))
    # but who asks for its result is told the final one
    triple, record = after.triples[again[0].triple_id], again[0]
    assert triple.records(record.configuration) == [record]


def test_ids_of_a_trial_say_whether_a_rule_matters() -> None:
    plain, stops = (make_search(build("grid", how), run_study(build("grid", how))) for how in (None, ASHA))
    specs = [search.triples["teacher/2L/data0"] for search in (plain, stops)]
    configuration = specs[0].search.points[-1]
    one, two = (triple.spec(configuration, 13) for triple in specs)
    assert one.trial_id == two.trial_id
    assert one.stopping is None
    assert two.stopping == StoppingRule.model_validate(ASHA)
    assert record_ids(one) == (one.trial_id,)
    assert record_ids(two) == (two.stopped_id, one.trial_id)
    assert one.group_id == two.group_id  # side by side all the same
    assert one.case_id == two.case_id != specs[0].spec(configuration, 14).trial_id
    assert one.case_id == specs[0].spec(specs[0].search.points[0], 14).case_id


def test_one_stopped_seed_stops_the_configuration() -> None:
    study = build("grid", seeds=(1, 2))
    records = run_study(study, stops=lambda trial: trial.seed == 1)
    chain = make_search(study, records).triples["teacher/2L/data0"].chain
    scores = [score for score in chain.tried.values() if isinstance(score, StoppedScore)]
    # all but the default choice, at the mean of both seeds
    assert scores
    assert len(scores) == len(chain.tried) - sum(isinstance(score, float) for score in chain.tried.values())
    (configuration, score) = next((c, s) for c, s in chain.tried.items() if isinstance(s, StoppedScore))
    own = [r for r in trials(records) if (r.triple_id, r.configuration) == ("teacher/2L/data0", configuration)]
    assert {record.status for record in own} == {Status.STOPPED, Status.COMPLETED}
    assert score == StoppedScore(pytest.approx(sum(hashed_score(r.spec)[0] for r in own) / 2), 1.0)


def test_failed_seed_fails_the_configuration_though_another_was_stopped() -> None:
    scores = {1: (StoppedScore(0.7, 2.0),), 2: (None,)}

    class One:
        def run(self):
            self.found = yield (SPACE.default(),)

        def on_scores(self, tried) -> None:
            """Nothing to show."""

    search = One()
    Chain(search, (1, 2), lambda configuration, seed: scores[seed])
    assert search.found == {SPACE.default(): None}


def test_a_stopped_candidate_loses_to_every_completed_one() -> None:
    choice = SPACE.default()
    worst, failed = Candidate(choice, 0.1), Candidate(choice, None)
    early, late = (Candidate.of(choice, StoppedScore(score, 1.0)) for score in (0.8, 0.9))
    assert worst.beats(late)
    assert not late.beats(worst)
    assert late.beats(early)
    assert not early.beats(late)
    assert early.beats(failed)
    assert not failed.beats(early)
    assert best_of([failed, early, worst, late]) is worst
    assert best_of([failed, early, late]) is late


def test_settled_work_is_what_will_not_be_trained_again() -> None:
    stops, plain = build("grid"), build("grid", None)
    records = run_study(stops, stops=by_chance)
    everything = {record.spec.trial_id for record in trials(records)}
    assert make_search(stops, records).settled_ids >= everything
    again = {record.spec.trial_id for record in stopped(records)}
    assert make_search(plain, records).settled_ids & everything == everything - again


class Records(list[Record]):
    def refresh(self) -> list[Record]:
        return self


def test_early_stopper_starts_from_the_ledger() -> None:
    study = build("grid")
    records = run_study(study, stops=by_chance)
    spec = stopped(records)[0].spec
    bad = [CurvePoint(step=10, epoch=1, train_loss=1, validation_score=0.0, validation_loss=1)]
    # who is worse than all records of its triple stops, after any restart; with nothing to compare it goes on
    assert EarlyStopperActor(Records(records)).reason_to_stop(spec, bad) is not None
    assert EarlyStopperActor(Records([])).reason_to_stop(spec, bad) is None
    others = [record for record in trials(records) if record.triple_id != spec.triple.triple_id]
    assert others
    assert EarlyStopperActor(Records(others)).reason_to_stop(spec, bad) is None


STAGED = {"schedule": ["joint", "stacked"], "cosine_weight": [1.0]}


@pytest.mark.parametrize(
    ("search", "training", "key", "message"),
    [
        ({"stopping": {"rule": "asha", "grace": 2}}, {}, "search.stopping.grace", "did you mean 'grace_epochs'?"),
        ({"stopping": {"rule": "halving"}}, {}, "search.stopping.rule", "'asha' or 'median'"),
        ({"stopping": {"rule": "median", "reduction_factor": 2}}, {}, "search.stopping.reduction_factor", "rule asha"),
        (
            {"stopping": {"rule": "asha", "grace_epochs": 2}},
            {},
            "search.stopping.grace_epochs",
            "less than the 2 epochs of training",
        ),
        ({"stopping": ASHA, "strategy": "experiments"}, {}, "search.stopping", "not experiments: leave it out"),
        ({"stopping": ASHA, "choices": STAGED}, {}, "search.stopping", "in stages (stacked)"),
    ],
)
def test_faults_of_the_study_file(tiny_study, search, training, key, message) -> None:
    file = tiny_study()
    values = yaml.safe_load(file.read_text())
    values["search"]["space"]["choices"] |= search.pop("choices", {})
    if search.get("strategy") == "experiments":
        values["search"]["space"]["experiments"] = [{"name": "soft"}]
    values["search"] |= search
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError) as caught:
        load_study(file)
    assert key in [fault.key for fault in caught.value.faults]
    assert message in str(caught.value)


def test_resolved_study_loads_again(tiny_study, tmp_path) -> None:
    file = tiny_study()
    values = yaml.safe_load(file.read_text())
    values["search"] |= {"stopping": {"rule": "median", "least_trials": 5}}
    file.write_text(yaml.safe_dump(values))
    study = load_study(file)
    (tmp_path / "again.yaml").write_text(study.to_yaml())
    assert load_study(tmp_path / "again.yaml").config.search.stopping == study.config.search.stopping
    assert str(study.config.search.stopping).startswith("median: from epoch 1 on")
