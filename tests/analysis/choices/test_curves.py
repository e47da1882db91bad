from __future__ import annotations

import pytest
from analysed import analyse
from known_studies import finished
from simulation import hashed_score, make_study

from analysis.triples.curves import training_curves
from trials.specs.records import TrialRecord


@pytest.fixture(scope="module")
def found():
    study = make_study(datasets=1, students=1)
    records = finished(study, hashed_score)
    return analyse(study, records), [record for record in records if isinstance(record, TrialRecord)]


def test_temperature_curves_hold_the_selected_score(found):
    findings, _ = found
    assert findings.temperature_curves
    for curve in findings.temperature_curves:
        assert list(curve.temperatures) == sorted(set(curve.temperatures))
        scores = dict(zip(curve.temperatures, curve.scores, strict=True))
        candidates = {c.choice: c.validation_score for c in findings.outcomes[0].candidates}
        assert scores[curve.choice.canonical().temperature] == candidates[curve.choice]


def test_temperature_curves_hold_only_scores_of_records(found):
    findings, trials = found
    known = {(trial.configuration.temperature, trial.validation_score) for trial in trials}
    for curve in findings.temperature_curves:
        assert set(zip(curve.temperatures, curve.scores, strict=True)) <= known


def test_mse_of_logits_scaled_alike_has_no_temperature(found):
    findings, _ = found
    for curve in findings.temperature_curves:
        if (curve.choice.distance, curve.choice.student_temperature) == ("mse", "equal"):
            assert curve.temperatures == (1.0,)


def test_training_curves_are_those_of_best_and_worst(found):
    findings, _ = found
    outcome = findings.outcomes[0]
    assert [str(curve.role) for curve in training_curves(findings.results)] == ["best", "worst"]
    assert training_curves(findings.results)[0].scores[-1] == outcome.best.validation_score
    assert training_curves(findings.results)[1].scores[-1] == outcome.worst.validation_score
