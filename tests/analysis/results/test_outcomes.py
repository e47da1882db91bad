from __future__ import annotations

import pytest
from analysed import Analysed as Findings
from analysed import analyse
from known_studies import failing, finished, plain_score, small_study, with_test_scores
from simulation import do_work, hashed_score, make_search, make_study

from analysis.choices.findings import choice_findings
from analysis.results.outcomes import Progress, Role
from analysis.results.study_results import StudyResults
from trials.specs.records import TrialRecord


def test_outcomes_of_a_known_study():
    study = small_study()
    outcome = analyse(study, finished(study)).outcomes[0]
    # by hand: the search visits CE .80, MSE .70, lowest loss .84, and that with alpha .5 .815
    assert outcome.best.validation_score == pytest.approx(0.84)
    assert outcome.best.test_score == pytest.approx(0.74)
    assert outcome.worst.test_score == pytest.approx(0.60)
    assert outcome.random_score == pytest.approx(
        sum(c.test_score for c in outcome.candidates) / len(outcome.candidates)
    )
    assert outcome.stable.choice.teacher_checkpoint == "lowest_loss"
    assert outcome.progress is Progress.SEARCHED
    assert (outcome.teacher_score, outcome.majority_score) == (pytest.approx(0.89), 0.5)
    assert outcome.num_trials * 10 / 3600 == pytest.approx(outcome.hours)


def test_best_and_worst_agree_with_brute_force():
    study = make_study()
    records = finished(study, hashed_score)
    search = make_search(study, records)
    for outcome in analyse(study, records).outcomes:
        triple = search.triples[outcome.triple_id]
        scores = [candidate.score for candidate in triple.search.candidates]
        assert outcome.best.choice == triple.search.incumbent.choice
        assert outcome.best.validation_score == max(scores)
        assert outcome.worst.validation_score == min(scores)


@pytest.mark.parametrize("poison", [lambda score: 1 - score, lambda score: 0.0, lambda score: 1e6 * score])
def test_selection_never_reads_test_scores(poison):
    study = make_study()
    records = finished(study, hashed_score)
    clean, poisoned = analyse(study, records), analyse(study, with_test_scores(records, poison))
    # rule: nothing but reported test scores may change
    assert _selected(clean) == _selected(poisoned)
    assert [o.best.test_score for o in clean.outcomes] != [o.best.test_score for o in poisoned.outcomes]


def test_test_scores_are_means_over_seeds():
    study = small_study(seeds=(1, 2, 3))
    records = finished(study, hashed_score)
    outcome = analyse(study, records).outcomes[0]
    best = outcome.best.choice.canonical()
    scores = [
        record.test_score
        for record in records
        if isinstance(record, TrialRecord) and record.triple_id == outcome.triple_id and record.configuration == best
    ]
    assert len(scores) == 3
    assert outcome.best.test_score == pytest.approx(sum(scores) / 3)


def test_failed_candidates_are_neither_best_nor_worst_nor_random():
    study = small_study()
    findings = analyse(study, finished(study, failing(lambda trial: trial.configuration.distance == "mse")))
    outcome = findings.outcomes[0]
    failed = [candidate for candidate in outcome.candidates if candidate.validation_score is None]
    assert len(failed) == 1
    assert failed[0].test_score is None
    assert outcome.num_failed > 0
    assert outcome.worst.validation_score > 0.7
    assert len(outcome.completed) == len(outcome.candidates) - 1


def test_a_failed_search_has_a_reason_and_no_scores():
    study = small_study()
    findings = analyse(study, finished(study, failing(lambda trial: trial.triple.dataset.name == "data0")))
    failed = [outcome for outcome in findings.outcomes if outcome.progress is Progress.FAILED]
    assert [outcome.triple.dataset.name for outcome in failed] == ["data0", "data0"]
    assert all("default configuration failed" in outcome.failure for outcome in failed)
    assert all(outcome.test_score(Role.BEST) is None for outcome in failed)
    assert findings.num_missing == 2 * 5


def test_scores_of_a_running_search_are_not_final():
    study = small_study()
    findings = analyse(study, _half(study))
    states = {outcome.progress for outcome in findings.outcomes}
    assert Progress.SEARCHING in states
    for outcome in findings.outcomes:
        if not outcome.searched:
            assert outcome.final_score(Role.BEST) is None
            assert outcome.final_score(Role.TEACHER) == outcome.teacher_score


def test_an_empty_ledger_leaves_every_triple_waiting():
    study = small_study()
    findings = analyse(study, [])
    assert {outcome.progress for outcome in findings.outcomes} == {Progress.WAITING}
    assert findings.num_missing == 4 * 5
    assert findings.stable is None


def test_the_order_of_records_does_not_matter():
    study = small_study()
    records = finished(study, hashed_score)
    for other in (records[::-1], records[9:] + records[:9]):
        first, second = (StudyResults(study, each) for each in (records, other))
        assert (first.outcomes, first.provenance) == (second.outcomes, second.provenance)
        assert choice_findings(first) == choice_findings(second)


def test_records_of_another_recipe_are_counted_but_not_used():
    study, other = small_study(), small_study(training={"epochs": 7})
    records = finished(study)
    foreign = [record for record in finished(other) if isinstance(record, TrialRecord)]
    findings = analyse(study, [*records, *foreign])
    assert findings.outcomes == analyse(study, records).outcomes
    assert findings.provenance.num_unused == len(foreign)


def _half(study):
    search, records = make_search(study), []
    while len(records) < 14:
        record = do_work(search.propose()[0], plain_score)
        records.append(record)
        search.observe(record)
    return records


def _selected(findings: Findings):
    chosen = [(o.best.choice, o.worst.choice, o.stable.choice, o.lazy.choice) for o in findings.outcomes]
    rewards = [(effect.reward, effect.p_value) for effect in findings.effects]
    verdicts = [(change.verdict, change.accepted) for change in findings.changes]
    return chosen, rewards, verdicts, findings.stable
