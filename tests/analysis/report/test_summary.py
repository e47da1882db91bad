from __future__ import annotations

import pytest
from analysed import analyse, summary
from known_studies import failing, finished, plain_score, small_study, with_test_scores
from simulation import make_study

from analysis.presentation.words import duration, listing, p_words, percent, signed_percent
from search_spaces.wording import counted


def words(study, records):
    said = summary(analyse(study, records))
    return "\n".join((*said.found, *said.cautions, *said.progress))


def test_summary_of_a_known_study():
    study = small_study()
    text = words(study, finished(study))
    # by hand: (.74 - .60) / .60 and (.70 - .60) / .70
    assert "Against the worst choice, the best choice gains 23.3 % at the median and 23.3 % at D9 (4 triples)." in text
    assert "Distance: CE validates better than MSE in 4 of 4 triples (R = −4, sign test p = .12)" in text
    assert "the test score moves by 14.3 % at the median" in text
    assert "The stable configuration is CE, lowest-loss teacher, τs = τt, α = 1" in text
    assert "in 100 % of triples (4 of 4; 95 % interval 51 % to 100 %); at the median it is level with it" in text
    assert "4 triples: 4 searched." in text


def test_small_samples_and_single_seeds_are_named():
    study = small_study()
    text = words(study, finished(study))
    assert "Small sample: deciles of 4 triples" in text
    assert "trained with 1 seed" in text
    assert "Compatible with chance (sign test, p > .05): distance, teacher checkpoint and soft-label weight" in text


def test_differences_within_one_example_are_named():
    study = small_study()
    text = words(study, with_test_scores(finished(study), lambda score: 0.7))
    assert "Best over worst: no more than one test example (1 / rows) apart in 4 of 4 triples." in text


def test_undefined_gains_are_named():
    study = small_study(datasets=1, students=1)
    text = words(study, with_test_scores(finished(study), lambda score: -0.1))
    # six comparisons of roles, and four steps of the search
    left_out = "left out of the deciles, 10 gains of 1 triple (teacher/2L/data0)"
    assert f"No relative gain where the baseline's score is not above 0: {left_out}." in text


def test_failures_and_missing_scores_are_named():
    study = small_study()
    text = words(study, finished(study, failing(lambda trial: trial.triple.dataset.name == "data0")))
    assert "4 triples: 2 searched and 2 failed." in text
    assert "teacher/2L/data0 (search)" in text
    assert "10 of 20 scores are missing" in text


def test_an_interim_stable_configuration_says_so():
    study = small_study()
    text = words(study, finished(study)[:20])
    assert "So far the rewards point to" in text
    assert "The stable configuration is" not in text


def test_an_empty_ledger_says_that_there_is_nothing():
    study = small_study()
    text = words(study, [])
    assert "nothing to compare" in text
    assert "20 of 20 scores are missing" in text


def test_merged_steps_are_named():
    study = make_study()
    text = words(study, finished(study, plain_score, one_checkpoint=True))
    assert "Teacher checkpoint: highest score and lowest loss tie in 4 triples (R = 0)" in text
    assert "4 steps compared a trial with itself" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.0164), "1.6 %"),
        (percent(-0.00001), "0.0 %"),
        (percent(None), "–"),
        (signed_percent(-0.0238, 2), "−2.38 %"),
        (signed_percent(0.0), "0 %"),
        (p_words(0.18), "p = .18"),
        (p_words(0.004), "p = .004"),
        (p_words(1.0), "p = 1"),
        (p_words(0.0001), "p < .001"),
        (p_words(None), "no sign test"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (listing(["a", "b", "c"], limit=2), "a, b and 1 more"),
        (listing([]), "none"),
        (counted(1, "triple"), "1 triple"),
        (duration(0.5), "30 minutes"),
        (duration(12.25), "12.2 hours"),
    ],
)
def test_wording(text, expected):
    assert text == expected


def test_a_perfect_hidden_test_never_makes_a_summary_choose():
    study = small_study()
    records = finished(study, plain_score)
    chosen = [
        summary(analyse(study, changed)).found for changed in (records, with_test_scores(records, lambda s: 1 - s))
    ]
    stable = [next(line for line in found if "stable configuration is" in line) for found in chosen]
    assert stable[0] == stable[1]
