"""Paper D's studies and spaces, and how data sets say their transfer sets."""

from __future__ import annotations

from pathlib import Path

from search_spaces.space import load_space
from study.config.presets import expand_dataset
from study.config.study_file import load_study

FOLDER = Path(__file__).parents[3] / "study" / "files"


def test_paper_d_is_the_papers_recipe() -> None:
    study = load_study(FOLDER / "paper_d.yaml")
    bilstm, rnn = study.config.students
    assert (bilstm.hidden_size, bilstm.source, rnn.distil) == (600, "base", False)
    assert (study.config.training.batch_size, study.config.training.decay) == (64, False)
    joint = study.space.named()["joint"]
    assert (joint.hard_label_weight, joint.representation_weight, joint.soft_label_weight) == (10, 10, 1)
    assert (joint.optimizer, joint.canonical().learning_rate) == ("adadelta", 1)
    assert {dataset.labelled.per_class for dataset in study.config.datasets if dataset.name.endswith("-500")} == {500}
    (teacher,) = load_study(FOLDER / "paper_d_100.yaml").config.teachers
    assert teacher.adapt is not None


def test_simple_students_is_a_space_of_axes() -> None:
    space = load_space("simple_students")
    assert {"distance", "schedule", "optimizer", "transfer_rows", "labelled_per_class"} <= set(space.choice_values())


def test_splits_of_a_preset_are_joined_by_the_transfer_set(tmp_path: Path) -> None:
    entry = {"preset": "sst2", "splits": {"unlabeled": "more"}}
    own, plain = (
        expand_dataset(each, folder=tmp_path, mirror=None, where="file", key="datasets[0]") for each in (entry, "sst2")
    )
    assert own["splits"] == {**plain.get("splits", {}), "unlabeled": "more"}
