"""D's questions: numbers, sentences, figures and tables of a simulated study, against arithmetic of their own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from analysed import analyse, sections
from simulated_experiments import experiment_study, write_answers
from simulated_transfer import (
    GAINS,
    SECONDS,
    SEEDS,
    TEACHER_TESTS,
    TRAIN_ROWS,
    VARIANCES,
    right,
    transfer_records,
    transfer_study,
)

from analysis.report.report import write_report
from analysis.transfer.findings import by_labels, by_transfer_rows, with_several_teachers, without_and_with_teacher
from analysis.transfer.models import student_sizes, teacher_certainties
from analysis.transfer.students import distilled_students
from search_spaces.configuration import Distance, Schedule
from search_spaces.space import load_space
from trials.specs.records import TeacherRecord, TrialRecord

NAMES = {"distillation", "better_teachers", "soft_and_hard", "teacher_certainty", "few_labels"}
NAMES |= {"transfer_rows", "schedules", "size_and_speed"}


@pytest.fixture(scope="module")
def study():
    return transfer_study()


@pytest.fixture(scope="module")
def records(study):
    return transfer_records(study)


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_answers(records, folder, right)
    return folder


@pytest.fixture(scope="module")
def findings(study, records, folder):
    return analyse(study, records, folder=folder)


@pytest.fixture(scope="module")
def students(findings):
    return distilled_students(findings.results)


def student(students, dataset: str, teacher: str):
    return next(each for each in students if (each.dataset, each.teacher) == (dataset, teacher))


def scores_of(records, dataset: str, name: str, teacher: str = "base", of: str = "bilstm") -> np.ndarray:
    """Test scores of an experiment, by seed."""
    wanted = load_space("paper_d").named()[name].canonical()
    scores = {
        record.spec.seed: record.test_score
        for record in records
        if isinstance(record, TrialRecord)
        and record.triple_id == f"{teacher}/{of}/{dataset}"
        and record.configuration.schedule is wanted.schedule
        and record.configuration.distance is wanted.distance
        and record.configuration.uses_teacher is wanted.uses_teacher
    }
    return np.array([scores[seed] for seed in SEEDS])


def test_students_without_and_with_a_teacher_are_compared(students, records):
    own = student(students, "few", "base")
    # the one that validates best, although another one tests better
    assert (own.taught.name, own.soft.name, own.hard.name, own.untaught.name) == ("joint", "joint", "hard", "none")
    assert own.taught.test < own.schedules[Schedule.STAGED].test
    assert own.untaught.test == pytest.approx(scores_of(records, "few", "none").mean())
    assert own.rnn.test == pytest.approx(scores_of(records, "few", "none", of="rnn").mean())
    gains = scores_of(records, "few", "joint") - scores_of(records, "few", "none")
    assert own.gain.mean == pytest.approx(gains.mean())
    assert own.gain.by_examples.difference == pytest.approx(gains.mean())
    assert own.gain.verdict == 1
    soft = scores_of(records, "few", "joint") - scores_of(records, "few", "hard")
    assert own.soft_over_hard.mean == pytest.approx(soft.mean())
    assert own.over_joint.keys() == {Schedule.STAGED, Schedule.DISTIL_ONCE}
    staged = scores_of(records, "few", "staged") - scores_of(records, "few", "joint")
    assert own.over_joint[Schedule.STAGED].mean == pytest.approx(staged.mean())


def test_baselines_are_no_students_of_a_teacher(students):
    assert {each.student for each in students} == {"bilstm"}


def test_differences_that_no_test_can_tell_are_called_so(students):
    own = student(students, "other", "base")
    assert GAINS["other"] == 0
    assert own.gain.verdict == 0
    assert own.gain.interval[0] <= own.gain.mean <= own.gain.interval[1]


def test_better_teachers_are_compared_by_seed(students, records):
    own = next(group for group in with_several_teachers(students) if group.students[0].dataset == "few")
    assert [each.teacher for each in own.students] == ["base", "large"]
    assert own.teachers_apart == pytest.approx(TEACHER_TESTS["large"] - TEACHER_TESTS["base"])
    gains = scores_of(records, "few", "joint", "large") - scores_of(records, "few", "joint", "base")
    assert own.gain.mean == pytest.approx(gains.mean())


def test_data_sets_of_one_source_are_grouped_by_labels(students):
    groups = by_labels(students)
    assert [[each.dataset for each in group] for group in groups] == [["few", "many"]] * 2
    assert [each.labelled for each in groups[0]] == [TRAIN_ROWS["few"], TRAIN_ROWS["many"]]


def test_data_sets_with_one_number_of_labels_are_grouped_by_transfer_rows(students):
    assert [[each.transfer for each in group] for group in by_transfer_rows(students)] == [[2000, 4900]] * 2


def test_sizes_are_ratios_of_parameters_and_of_rounds(findings):
    size = next(each for each in student_sizes(findings.results) if (each.teacher, each.student) == ("large", "bilstm"))
    assert size.compression == pytest.approx(340 / 13)
    ratios = np.array(SECONDS["bilstm"]) / np.array(SECONDS["large"])
    speed = size.speed_ups["few"]
    assert (speed.low, speed.median, speed.high) == pytest.approx(tuple(np.quantile(ratios, (0.25, 0.5, 0.75))))
    assert size.speed_up == pytest.approx(np.median(ratios))


def test_certainty_is_a_share_of_that_of_hard_labels(findings):
    found = teacher_certainties(findings.results)
    by_teacher = {each.teacher: each for each in found}
    # the checkpoint that teaches; of two classes hard labels have the variance 1/4
    assert {each.checkpoint for each in found} == {"lowest_loss"}
    assert by_teacher["large"].maximum == 0.25
    assert by_teacher["base"].share == pytest.approx(VARIANCES["base"] / 0.25)


def test_records_from_before_variances_were_noted_say_nothing(study, records):
    older = [without_variance(record) for record in records]
    findings = analyse(study, older)
    assert teacher_certainties(findings.results) is None
    assert NAMES - {section.name for section in sections(findings)} == {"teacher_certainty"}


def without_variance(record):
    if not isinstance(record, TeacherRecord):
        return record
    plain = tuple(each.model_copy(update={"prediction_variance": None}) for each in record.checkpoints)
    return record.model_copy(update={"checkpoints": plain})


def test_experiments_with_fewer_labels_or_transfer_rows_are_sizes_too(study):
    space = load_space("paper_d")
    few = [each.model_copy(update={"name": f"{each.name}-20", "labelled_per_class": 20}) for each in space.experiments]
    short = space.experiments[2].model_copy(update={"name": "joint-short", "transfer_rows": 700})
    space = space.model_copy(update={"experiments": (*space.experiments, *few, short)})
    search = study.config.search.model_copy(update={"space": space})
    own = transfer_study(search=search, datasets=study.config.datasets[3:])
    students = distilled_students(analyse(own, transfer_records(own)).results)
    base = [each for each in students if each.teacher == "base"]
    assert [(each.labelled, each.transfer) for each in base] == [(40, 3000), (500, 700), (500, 3000)]
    assert [each.untaught.name for each in base] == ["none-20", "none", "none"]
    assert [(each.labelled, each.transfer) for each in without_and_with_teacher(students)] == [(500, 3000)] * 2
    assert [[each.transfer for each in group] for group in by_transfer_rows(students)] == [[700, 3000]] * 2


def test_report_shows_all_of_it(study, records, folder, findings, tmp_path):
    page = write_report(study, records, (), tmp_path, formats=("html",), folder=folder).read_text()
    assert {section.name for section in sections(findings)} >= NAMES
    for words in (
        "beyond the noise of test examples in",
        "a test cannot tell in",
        "99.0 % (large on few)",
        "points with 100 labelled examples",
        "from 2,000 to 4,900 transfer rows",
        "Compared with joint training, the test score changes: staged by",
        "large has 26.2 × the parameters of bilstm",
        '<td class="number strong">',
        "Mukherjee and Awadallah",
        "few, base",
    ):
        assert words in page, words
    assert "What is lost against the teacher?" not in page  # a recurrent student is no shape of its teacher
    rows = read(tmp_path / "tables" / "distillation.csv")
    assert len(rows) == 8
    assert [row["group"] for row in rows] == ["1", "1", "1", "1", "1", "1", "2", "2"]
    assert float(rows[0]["gain_low"]) <= float(rows[0]["gain"]) <= float(rows[0]["gain_high"])
    assert len(read(tmp_path / "tables" / "schedules.csv")) == 8 * 3
    certainty = json.loads((tmp_path / "tables" / "teacher_certainty.json").read_text())
    assert certainty["rows"][0]["maximum"] == 0.25


def read(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def test_report_of_a_study_that_has_just_begun(study, records, tmp_path):
    teachers = [record for record in records if isinstance(record, TeacherRecord)]
    trials = [record for record in records if isinstance(record, TrialRecord)]
    hard = [record for record in trials if record.configuration.distance is Distance.HARD]
    for kept in ([], teachers, [*teachers, *trials[:1]], [*teachers, *hard]):
        page = write_report(study, kept, (), tmp_path / str(len(kept)), formats=("html",)).read_text()
        assert "What is a teacher worth?" not in page


def test_one_seed_without_answers_is_not_tested(study, records):
    one = transfer_study(seeds=SEEDS[:1])
    students = distilled_students(analyse(one, records).results)
    assert {each.gain.verdict for each in students} == {None}
    assert student(students, "few", "base").gain.mean > 0


def test_other_studies_of_experiments_have_no_such_questions():
    assert distilled_students(analyse(experiment_study(), []).results) is None
    assert student_sizes(analyse(experiment_study(), []).results) is None
