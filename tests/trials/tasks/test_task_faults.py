"""Data that do not fit their task: each fault names file, key and value, and what would be right."""

import json

import pytest
from made_tasks import made_dataset

from search_spaces.faults import InputError
from trials.datasets.loading import load_dataset_splits
from trials.specs.dataset import DatasetSpec, TaskName
from trials.specs.trial import TrainingRecipe
from trials.tasks.registry import task_of

NER, QA, MT, SCORES = (
    TaskName.TOKEN_CLASSIFICATION,
    TaskName.QUESTION_ANSWERING,
    TaskName.TRANSLATION,
    TaskName.REGRESSION,
)
WRONG_ROWS = {
    "tags-do-not-match": (NER, {"ner_tags": ["O"]}, "rows have different numbers of words and tags, first in row 1: '"),
    "unknown-tag": (
        NER,
        {"tokens": ["a"], "ner_tags": ["B-GOOT"]},
        "= 'B-GOOT': unknown tag in row 1; did you mean 'B-G",
    ),
    "no-words": (NER, {"tokens": [], "ner_tags": []}, "1 of 32 rows are not lists of words, first in row 1"),
    "words-as-text": (NER, {"tokens": "a film"}, "1 of 32 rows are not lists of words, first in row 1: 'a film'"),
    "answer-elsewhere": (
        QA,
        {"answers": {"text": ["book"], "answer_start": [3]}},
        "1 of 32 answers are not in their con",
    ),
    "answer-past-the-end": (
        QA,
        {"answers": {"text": ["a"], "answer_start": [9999]}},
        "1 of 32 answers are not in their",
    ),
    "answers-form": (
        QA,
        {"answers": ["book"]},
        "1 of 32 answers are not of the form {text: [...], answer_start: [...]}",
    ),
    "starts-missing": (QA, {"answers": {"text": ["a", "b"], "answer_start": [0]}}, "answers are not of the form"),
    "no-context": (QA, {"context": None}, "1 of 32 texts are missing or no strings, first in row 1: None"),
    "empty-translation": (
        MT,
        {"translation": {"xx": "a film", "yy": " "}},
        "label (translation).yy = 'translation': 1 of 32 t",
    ),
    "no-source": (MT, {"translation": {"yy": "a film"}}, "text.xx = 'translation': 1 of 32 texts are missing"),
    "score-as-word": (SCORES, {"label": "good"}, "1 of 32 scores are not finite numbers, first in row 1: 'good'"),
    "score-missing": (SCORES, {"label": None}, "1 of 32 scores are not finite numbers, first in row 1: None"),
    "score-infinite": (SCORES, {"label": float("inf")}, "1 of 32 scores are not finite numbers"),
}


@pytest.mark.parametrize(("task", "changes", "message"), WRONG_ROWS.values(), ids=WRONG_ROWS.keys())
def test_wrong_row_is_named(task, changes, message, tmp_path):
    dataset = made_dataset(task, tmp_path)
    names = sorted({tag for line in lines(tmp_path, "train") for tag in line.get("ner_tags", [])})
    rows = lines(tmp_path, "test")
    rows[1] |= changes
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError) as error:
        load_dataset_splits(dataset)
    (fault,) = error.value.faults
    assert str(tmp_path / "test.jsonl") in str(fault)
    assert message in str(fault), f"{fault} {names}"


def lines(folder, split):
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_tags_must_be_iob2(tmp_path):
    dataset = made_dataset(NER, tmp_path)
    for split in ("train", "validation", "test"):
        text = (tmp_path / f"{split}.jsonl").read_text().replace("B-GOOD", "GOOD")
        (tmp_path / f"{split}.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"tags must be O, B-type and I-type \(IOB2\), not GOOD"):
        load_dataset_splits(dataset)


def test_languages_are_needed_where_a_column_holds_both(tmp_path):
    dataset = made_dataset(MT, tmp_path).model_copy(update={"languages": None})
    with pytest.raises(InputError, match=r"made\.languages: is required: give source and target, out of xx, yy"):
        load_dataset_splits(dataset)


def test_languages_that_a_column_does_not_hold_are_named(tmp_path):
    dataset = made_dataset(MT, tmp_path).model_copy(update={"languages": ("xx", "zz")})
    with pytest.raises(InputError, match=r"made\.languages = 'zz': .*known: xx, yy"):
        load_dataset_splits(dataset)


def test_source_and_target_may_be_columns_of_their_own(tmp_path):
    dataset = made_dataset(MT, tmp_path)
    for split in ("train", "validation", "test"):
        rows = [
            json.dumps({"source": r["translation"]["xx"], "target": r["translation"]["yy"]})
            for r in lines(tmp_path, split)
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    again = DatasetSpec(name="made", task=MT, path=str(tmp_path), text="source", label="target")
    with pytest.raises(InputError, match="no such column"):
        load_dataset_splits(dataset)
    assert load_dataset_splits(again).splits["test"].labels[0].startswith("the film was very")


@pytest.mark.parametrize("task", [NER, SCORES])
def test_labels_that_are_all_the_same_are_a_fault(task, tmp_path):
    dataset = made_dataset(task, tmp_path)
    same = {"ner_tags": lambda row: ["O"] * len(row["tokens"]), "label": lambda row: 1.0}
    key = "ner_tags" if task is NER else "label"
    rows = [row | {key: same[key](row)} for row in lines(tmp_path, "train")]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = dataset if task is SCORES else dataset.model_copy(update={"labels": ("O", "B-GOOD", "B-BAD")})
    with pytest.raises(InputError, match="there is nothing to learn"):
        load_dataset_splits(given)


NOTHING = {
    SCORES: ({"label": -1}, "all scores of the {} split are the same"),
    NER: ({"tokens": ["a"], "ner_tags": ["O"]}, "all words of the {} split have the same tag"),
    QA: ({"answers": {"text": [], "answer_start": []}}, "no question of the {} split has an answer"),
}


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("task", NOTHING)
def test_splits_without_labels_are_a_fault(task, split, tmp_path):
    dataset, (changes, message) = made_dataset(task, tmp_path), NOTHING[task]
    rows = [json.dumps(row | changes) for row in lines(tmp_path, split)]
    (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    with pytest.raises(InputError) as error:
        load_dataset_splits(dataset)
    (fault,) = error.value.faults
    assert f"{message.format(split)}: there is nothing to score" in str(fault)


@pytest.mark.parametrize("task", list(TaskName))
def test_metric_of_another_task_is_a_fault(task, tmp_path):
    dataset = made_dataset(task, tmp_path).model_copy(update={"metric": "bleu" if task is not MT else "accuracy"})
    names = load_dataset_splits(dataset).label_names
    with pytest.raises(InputError, match=f"{task} has no such metric; .*known: "):
        task_of(dataset).check_metric(dataset, names)


@pytest.mark.parametrize(
    ("stride", "length", "fits"), [(None, 16, True), (3, 16, True), (4, 16, False), (None, 8, False)]
)
def test_windows_must_go_on(stride, length, fits, tmp_path):
    dataset = made_dataset(QA, tmp_path).model_copy(update={"stride": stride})
    recipe = TrainingRecipe(max_length=length)
    if fits:
        task_of(dataset).check_recipe(dataset, recipe)
        return
    with pytest.raises(InputError, match=r"made\.stride.*raise training\.max_length"):
        task_of(dataset).check_recipe(dataset, recipe)


@pytest.mark.parametrize("task", [task for task in TaskName if task is not MT])
@pytest.mark.parametrize(("key", "value"), [("sequence_level", True), ("teacher_top_k", 8)])
def test_some_of_the_recipe_is_for_translation(task, key, value, tmp_path):
    dataset, recipe = made_dataset(task, tmp_path), TrainingRecipe(**{key: value})
    with pytest.raises(InputError, match=rf"training\.{key} = {value}: is for translation, not for {task}"):
        task_of(dataset).check_recipe(dataset, recipe)
