"""Studies of several tasks: pooled and own gains, scores on their own scales, tasks without softmax.

The expected numbers are worked out by hand from `mixed_score` over the demo space: choices at alpha 1, then alpha .5.
Test scores of the visited choices are, in the search's order:
    classification  CE .70, MSE .60, CE with the lowest-loss teacher .74, that with alpha .5 .715
    regression, 2L  .50, lowest-loss teacher .60, that with alpha .5 .50; 3L each .55 less
    translation     CE 18, MSE 22, MSE with the lowest-loss teacher 20, MSE with alpha .5 20
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from analysed import OF_CHOICES, analyse, sections, summary, tables
from known_studies import MIXED, finished, mixed_score, mixed_study, small_study, with_test_scores
from simulation import hashed_score, make_search, make_study

from analysis.choices.gains import Comparison, Gain, at_least_as_good
from analysis.choices.parameters import Verdict
from analysis.presentation.tables import write_tables
from analysis.presentation.words import score
from analysis.report.report import write_report
from analysis.results.outcomes import Role
from analysis.results.scales import HUNDREDS
from analysis.triples.curves import training_curves
from search_spaces.configuration import Distance
from study.config.study_file import Study, StudyConfig
from trials.specs.dataset import DatasetSpec, TaskName
from trials.specs.records import TrialRecord
from trials.specs.trial import TrialSpec
from trials.tasks.registry import task_of

CLASSIFICATION, REGRESSION, TRANSLATION = MIXED
UNDEFINED = "teacher/3L/data1"  # its worst test score is -.05

BY_TASK = {"task_deciles", "task_rewards"}


@pytest.fixture(scope="module")
def study():
    return mixed_study()


@pytest.fixture(scope="module")
def records(study):
    return finished(study, mixed_score)


@pytest.fixture(scope="module")
def findings(study, records):
    return analyse(study, records)


@pytest.fixture(scope="module")
def drawn(findings):
    return {section.name: section.figure() for section in sections(findings)}


def by_dataset(comparison):
    return {gain.triple_id: gain.relative for gain in comparison.gains}


def effects_of(answers):
    return {effect.parameter: effect for effect in answers.effects}


def test_gains_pool_all_metrics_but_those_over_baselines_not_above_zero(findings):
    found = findings.best_over_worst
    each = [0.14 / 0.6, 0.14 / 0.6, 0.1 / 0.5, None, 4 / 18, 4 / 18]
    assert [gain.relative for gain in found.gains] == pytest.approx(each)
    assert found.deciles == pytest.approx(np.quantile([gain for gain in each if gain], np.arange(1, 11) / 10))
    assert [gain.triple_id for gain in found.gains if gain.undefined] == [UNDEFINED]
    assert (len(found.known), found.num_undefined, found.num_missing) == (5, 1, 0)
    # the absolute difference is kept, in units of the metric
    assert [gain.absolute for gain in found.gains] == pytest.approx([0.14, 0.14, 0.1, 0.1, 4, 4])


def test_a_target_below_zero_loses_more_than_all(findings):
    assert by_dataset(findings.worst_to_best)[UNDEFINED] == pytest.approx(-2)  # from .05 to -.05


def test_a_random_choice_falls_on_each_trial_once(findings):
    random = {outcome.triple_id: outcome.random_score for outcome in findings.outcomes}
    assert random["teacher/2L/data1"] == pytest.approx((0.5 + 0.6 + 0.5) / 3)  # CE and MSE are one trial
    assert random["teacher/2L/data2"] == pytest.approx((18 + 22 + 20 + 20) / 4)
    assert [len(outcome.candidates) for outcome in findings.outcomes] == [4, 4, 3, 3, 4, 4]


@pytest.mark.parametrize("records_of", [hashed_score, mixed_score])
def test_regression_has_one_candidate_per_record(records_of):
    # the space of paper A, whose default temperature is not 1: what is chosen differs from what is trained
    study = make_study(datasets=1, students=1, tasks=[REGRESSION])
    records = finished(study, records_of)
    (outcome,) = analyse(study, records).outcomes
    trials = {r.configuration: r for r in records if isinstance(r, TrialRecord)}
    assert outcome.best.choice.temperature == 2
    trained = [candidate.trained for candidate in outcome.candidates]
    assert len(set(trained)) == len(trained)
    for candidate in outcome.candidates:
        assert candidate.test_score == trials[candidate.trained].test_score
        assert candidate.trained == candidate.trained.without_softmax()


def test_every_record_of_a_mixed_study_counts(findings, records):
    assert findings.provenance.num_unused == 0
    assert findings.provenance.num_trials + findings.provenance.num_teachers == len(records)
    assert sum(outcome.num_trials for outcome in findings.outcomes) == findings.provenance.num_trials


def test_records_of_regression_with_softmax_settings_do_not_count(study, records):
    # such a trial is none that the study would run
    record = next(r for r in records if isinstance(r, TrialRecord) and r.spec.triple.dataset.task is REGRESSION)
    choice = replace(record.configuration, distance=Distance.CE, temperature=4.0)
    spec = TrialSpec.model_validate({**record.spec.model_dump(by_alias=True), "configuration": choice})
    foreign = record.model_copy(update={"spec": spec})
    findings = analyse(study, [*records, foreign])
    assert findings.provenance.num_unused == 1
    assert findings.outcomes == analyse(study, records).outcomes


def test_distance_and_student_temperature_are_no_parameters_of_regression(findings):
    steps = [change for change in findings.changes if change.triple_id.endswith("data1")]
    void = {change.parameter for change in steps if change.void}
    assert void == {"distance", "student_temperature"}
    assert all(change.merged and change.verdict is Verdict.TIE for change in steps if change.void)
    effect = effects_of(findings)["distance"]
    assert [gain.triple_id.split("/")[2] for gain in effect.comparison.gains] == ["data0", "data0", "data2", "data2"]
    assert (effect.reward.wins, effect.reward.losses, effect.reward.ties, effect.num_merged) == (2, 2, 0, 0)
    assert effect.comparison.decile(5) == pytest.approx((4 / 18 - 0.1 / 0.7) / 2)
    assert len(effects_of(findings)["teacher_checkpoint"].comparison.gains) == 6


def test_rewards_without_void_steps_are_those_of_the_search(study, records, findings):
    # ties aside, which decide nothing
    from study.search.searchers.reference_configurations import rewards

    for reward in rewards(make_search(study, records).steps, study.space):
        assert effects_of(findings)[reward.parameter].reward.reward == reward.reward


def test_each_task_has_its_own_answers(findings):
    assert tuple(findings.by_task) == MIXED
    medians = {task: answers.best_over_worst.decile(5) for task, answers in findings.by_task.items()}
    assert medians == pytest.approx({CLASSIFICATION: 0.14 / 0.6, REGRESSION: 0.2, TRANSLATION: 4 / 18})
    rewards = {
        task: [effects_of(answers)[name].reward.reward for name in ("distance", "teacher_checkpoint")]
        for task, answers in findings.by_task.items()
    }
    assert rewards == {CLASSIFICATION: [-2, 2], REGRESSION: [0, 2], TRANSLATION: [2, -2]}
    assert sum((answers.outcomes for answers in findings.by_task.values()), ()) == findings.outcomes
    # rule: tasks add up to the whole
    for effect in findings.effects:
        own = [effects_of(answers)[effect.parameter] for answers in findings.by_task.values()]
        assert sum(part.reward.reward for part in own) == effect.reward.reward
        assert sorted(value for part in own for value in part.comparison.values) == list(effect.comparison.values)


@pytest.mark.parametrize("tasks", [(CLASSIFICATION,), (TRANSLATION,)])
def test_a_study_of_one_task_has_no_breakdown(tasks):
    study = small_study(tasks=tasks)
    findings = analyse(study, finished(study, mixed_score))
    assert findings.by_task == {}
    names = [section.name for section in sections(findings)]
    assert [name for name in names if not name.startswith("shapes")] == OF_CHOICES
    assert "pool" not in findings.section("fig1_cost_of_choices").caption
    assert not set(tables(findings)) & BY_TASK


def test_several_metrics_of_one_task_pool_but_have_no_breakdown():
    datasets = [{"name": m, "task": "classification", "path": f"/{m}", "metric": m} for m in ("accuracy", "f1")]
    study = small_study()
    config = StudyConfig.model_validate({**study.config.model_dump(by_alias=True), "datasets": datasets})
    findings = analyse(Study(config, study.path), [])
    caption = findings.section("fig1_cost_of_choices").caption
    assert "pool triples of accuracy and f1." in caption
    assert "further below" not in caption
    assert findings.by_task == {}


def test_one_test_example_is_a_share_of_the_metric(findings):
    resolution = {outcome.metric: outcome.resolution for outcome in findings.outcomes}
    assert resolution == pytest.approx({"accuracy": 1 / 200, "pearson_spearman": 1 / 200, "bleu": 100 / 200})


def test_only_translation_is_scored_up_to_a_hundred():
    metrics = {name: set(task_of(DatasetSpec(name="data", task=name, path="data")).metrics) for name in TaskName}
    assert metrics.pop(TRANSLATION) == HUNDREDS
    assert not set().union(*metrics.values()) & HUNDREDS


@pytest.mark.parametrize(
    ("value", "metric", "expected"),
    [
        (27.4312, "bleu", "27.43"),
        (0.0, "chrf", "0.00"),
        (0.87654, "span_f1", "0.8765"),
        (-0.05, "pearson_spearman", "−0.0500"),
        (None, "bleu", "–"),
    ],
)
def test_scores_are_written_in_units_of_their_metric(value, metric, expected):
    assert score(value, metric) == expected


def test_stable_counts_as_good_at_any_scale():

    # 22 in two orders of summation
    gains = (Gain("t", 22.0 - 4e-12, 22.0), Gain("t", 21.9, 22.0), Gain("t", 0.5 - 4e-12, 0.5))
    assert at_least_as_good(Comparison("stable over best", gains)).count == 1


def test_zero_and_negative_baselines_never_give_infinite_or_turned_gains(study, records):
    for change in (lambda s: 0.0, lambda s: -s, lambda s: s - 0.65, lambda s: 0.0 if s > 1 else s):
        found = tables(analyse(study, with_test_scores(records, change)))
        for table in found.values():
            numbers = table.frame.select_dtypes("number").to_numpy(dtype=float)
            assert not np.isinf(numbers).any()
        gains = found["gains"].frame
        known = gains[gains["relative_gain"].notna()]
        assert (known["baseline_test"] > 0).all()
        assert (np.sign(known["relative_gain"]) == np.sign(known["absolute_gain"])).all()
        assert (gains["undefined"] == (gains["baseline_test"] <= 0)).all()


def test_temperature_curves_are_of_tasks_with_softmax(findings):
    assert {curve.metric for curve in findings.temperature_curves} == {"accuracy", "bleu"}
    assert {curve.metric for curve in training_curves(findings.results)} == {"accuracy", "pearson_spearman", "bleu"}


def test_tables_name_task_and_metric_of_each_triple(findings):
    found = {name: table.frame for name, table in tables(findings).items()}
    for name in ("outcomes", "candidates", "gains", "steps", "temperatures", "teachers"):
        pairs = set(found[name][["task", "metric"]].itertuples(index=False, name=None))
        expected = {("classification", "accuracy"), ("regression", "pearson_spearman"), ("translation", "bleu")}
        assert pairs == expected - ({("regression", "pearson_spearman")} if name == "temperatures" else set())
    candidates = found["candidates"].query("task == 'regression'")
    assert set(candidates["distance"]) == {"mse"}
    assert set(candidates["temperature"]) == {1.0}


def test_tables_by_task(tmp_path, findings):
    write_tables(tables(findings), tmp_path)
    deciles = json.loads((tmp_path / "task_deciles.json").read_text())["rows"]
    median = [row for row in deciles if (row["comparison"], row["decile"]) == ("best over worst", "D5")]
    assert [(row["task"], row["triples"], row["undefined"]) for row in median] == [
        ("classification", 2, 0),
        ("regression", 1, 1),
        ("translation", 2, 0),
    ]
    rewards = json.loads((tmp_path / "task_rewards.json").read_text())["rows"]
    distance = [(row["task"], row["reward"], row["ties"]) for row in rewards if row["parameter"] == "distance"]
    assert distance == [("classification", -2, 0), ("regression", 0, 0), ("translation", 2, 0)]


def test_the_summary_tells_the_tasks_apart(findings):
    said = summary(findings)
    assert (
        "By task, the best choice gains over the worst at the median +23.3 % in classification (2 triples), "
        "+20.0 % in regression (1 triple) and +22.2 % in translation (2 triples)." in said.found
    )
    cautions = "\n".join(said.cautions)
    assert "The tasks disagree on the distance: R is −2 in classification and +2 in translation." in cautions
    assert "left out of the deciles, 3 gains of 1 triple (teacher/3L/data1)" in cautions
    assert "Regression knows no distance and no student temperature: not compared on its 2 triples." in cautions


def test_a_missing_band_of_draws_is_explained(study, records):
    # 2L on data1: the expectation over .4, .9 and .4 is above 0, but with alpha .5 a draw is not
    def change(record):
        weight = isinstance(record, TrialRecord) and record.configuration.soft_label_weight
        return record.model_copy(update={"test_score": 0.0}) if weight == 0.5 else record

    findings = analyse(study, [change(record) for record in records])
    assert findings.best_over_random.values
    assert findings.best_over_random.draws is None
    assert any("No band of random draws" in caution for caution in summary(findings).cautions)


def test_the_page_of_a_mixed_study(tmp_path, study, records):
    page = write_report(study, records, [], tmp_path, formats=()).read_text(encoding="utf-8")
    text = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert text.count("these deciles pool triples of accuracy, pearson_spearman and bleu") == 3
    assert '<section id="tasks">' in text
    assert "+20.0 % (1 undefined)" in text
    assert '<td class="number">22.00</td>' in text  # BLEU is no share
    assert "2200" not in text
    assert "MSE, lowest-loss teacher, α = 1, learning rate 0.0005" in text  # a regression's configuration
    assert "tie, one trial" in text


def test_scores_of_each_metric_have_their_own_axis(drawn):
    layout = drawn["scores"].layout
    titles = [layout[name].title.text for name in ("xaxis", "xaxis3", "xaxis5")]
    assert titles == ["test score (accuracy)", "test score (pearson_spearman)", "test score (bleu)"]
    assert [layout[name].matches for name in ("xaxis", "xaxis2", "xaxis4")] == [None, "x2", "x2"]
    shown = [trace.name for trace in drawn["scores"].data if trace.showlegend is not False]
    assert sorted(shown) == sorted(str(role) for role in Role)
    details = [text for trace in drawn["scores"].data if trace.customdata is not None for _, text in trace.customdata]
    assert any(text.startswith("test 22.00 (bleu), validation 24.00<br>MSE") for text in details)


def test_the_figure_of_tasks_shows_medians_and_triples(drawn, findings):
    figure = drawn["tasks"]
    labels = [trace.text[0] for trace in figure.data if trace.text]
    assert labels == ["+23.3 %", "+20.0 %", "+22.2 %", "0 %", "0 %", "−27.3 %"]
    dots = [tuple(trace.x) for trace in figure.data if not trace.text]
    assert dots[1] == findings.by_task[REGRESSION].best_over_worst.values


def test_decisions_over_scores_not_above_zero_are_words():
    def below_zero(trial):
        validation, test = mixed_score(trial)
        return (validation - 1, test - 1) if trial.triple.dataset.task is REGRESSION else (validation, test)

    study = mixed_study()
    findings = analyse(study, finished(study, below_zero))
    figure = findings.section("decisions").figure()
    texts = {row: list(cells) for row, cells in zip(figure.data[0].y, figure.data[0].text, strict=True)}
    regression = next(cells for row, cells in texts.items() if "data1" in row)
    assert regression == ["same", "<b>✓ win</b>", "same", "loss"]


@pytest.mark.parametrize("done", [0, 1, 3, 5, 14, 30, 45])
def test_a_running_mixed_study_has_figures_and_a_summary(study, records, done):
    findings = analyse(study, records[:done])
    for section in sections(findings):
        section.figure()
        section.section.reading(section.result)
    assert summary(findings).progress
    assert set(tables(findings)) >= BY_TASK


def test_all_tasks_together():
    study = small_study(datasets=5, students=1, tasks=list(TaskName))
    findings = analyse(study, finished(study, hashed_score))
    assert tuple(findings.by_task) == tuple(TaskName)
    assert all(section.figure().data for section in sections(findings))
