from __future__ import annotations

from collections import Counter

import pytest
from analysed import analyse
from known_studies import failing, finished, plain_score, small_study
from simulation import hashed_score, make_search, make_study

from analysis.choices.parameters import Verdict
from analysis.results.significance import sign_test
from study.search.searchers.reference_configurations import Reward, rewards


def effects_of(study, records):
    return {effect.parameter: effect for effect in analyse(study, records).effects}


def test_rewards_are_those_of_the_search_and_of_the_verdicts():
    study = make_study()
    records = finished(study, hashed_score)
    found = effects_of(study, records)
    for reward in rewards(make_search(study, records).steps, study.space):
        effect = found[reward.parameter]
        assert effect.reward == reward
        counts = Counter(change.verdict for change in effect.changes)
        assert (counts[Verdict.WIN], counts[Verdict.LOSS], counts[Verdict.TIE]) == (
            reward.wins,
            reward.losses,
            reward.ties,
        )


def test_effects_of_a_known_study():
    study = small_study()
    found = effects_of(study, finished(study))
    # by hand, on test: MSE .60 over CE .70; lowest loss .74 over .70; alpha .5 .715 over .74
    assert found["distance"].comparison.deciles == pytest.approx([-0.1 / 0.7] * 10)
    assert found["teacher_checkpoint"].comparison.deciles == pytest.approx([0.04 / 0.7] * 10)
    assert found["soft_label_weight"].comparison.deciles == pytest.approx([-0.025 / 0.74] * 10)
    assert found["distance"].typical_size == pytest.approx(0.1 / 0.7)
    assert (found["distance"].reward.wins, found["distance"].reward.losses) == (0, 4)


def test_table_three_of_the_paper_is_wins_minus_losses():
    # A, table 3, over 39 triples: R = +11, -5, +1 must come from counts of its parity
    for wins, losses, ties, expected in ((25, 14, 0, 11), (17, 22, 0, -5), (20, 19, 0, 1), (15, 4, 20, 11)):
        assert wins + losses + ties == 39
        assert Reward("p", "a", "b", wins, losses, ties).reward == expected


def test_sign_test_by_hand():
    assert sign_test(4, 0) == pytest.approx(2 / 2**4)
    assert sign_test(7, 2) == pytest.approx(2 * (1 + 9 + 36) / 2**9)
    assert sign_test(3, 3) == pytest.approx(1)
    assert sign_test(0, 0) is None


def test_one_checkpoint_is_a_merged_tie():
    study = make_study()
    effect = effects_of(study, finished(study, plain_score, one_checkpoint=True))["teacher_checkpoint"]
    assert effect.num_merged == len(effect.changes) == 4
    assert effect.reward.ties == 4
    assert effect.p_value is None
    assert effect.comparison.values == (0, 0, 0, 0)


def test_a_failed_alternative_loses_and_has_no_test_gain():
    study = small_study()
    records = finished(study, failing(lambda trial: trial.configuration.distance == "mse"))
    effect = effects_of(study, records)["distance"]
    assert {change.verdict for change in effect.changes} == {Verdict.LOSS}
    assert effect.comparison.num_missing == 4
    assert effect.typical_size is None


def test_the_best_of_several_weights_gets_no_sign_test():
    study = make_study()
    effect = effects_of(study, finished(study, hashed_score))["soft_label_weight"]
    assert effect.num_tried == 9
    assert effect.p_value is None
    assert effect.reward.alternative == "best of 0.1 … 0.9"


def test_triples_without_a_step_are_missing():
    study = small_study()
    effect = effects_of(study, finished(study)[:8])["soft_label_weight"]
    assert len(effect.comparison.gains) == 4
    assert effect.comparison.num_missing + len(effect.changes) == 4
