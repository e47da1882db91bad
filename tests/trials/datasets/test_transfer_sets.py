"""Transfer sets: which rows keep their labels, and that nobody reads those of the others."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.faults import InputError
from trials.datasets.loading import load_dataset_splits
from trials.datasets.transfer_sets import balanced_rows, rows_per_class
from trials.readers.examples import UNLABELLED
from trials.specs.dataset import DatasetSpec

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)


@given(LABELS, st.integers(1, 60), st.integers(0, 9))
def test_balanced_rows_are_as_equal_as_the_classes_allow(labels, rows, seed):
    rows = min(rows, len(labels))
    found = balanced_rows(labels, rows, seed)
    assert len(found) == len(set(found.tolist())) == rows
    counts, whole = np.bincount(labels[found], minlength=4), np.bincount(labels, minlength=4)
    # A class that has fewer than another by two or more has given all it has
    assert all(counts[c] == whole[c] for c in range(4) if counts[c] < counts.max() - 1)
    assert set(balanced_rows(labels, rows // 2, seed)) <= set(found)


@given(LABELS, st.integers(1, 20), st.integers(0, 9))
def test_rows_per_class_are_so_many_or_all(labels, per_class, seed):
    found = rows_per_class(labels, per_class, seed)
    counts, whole = np.bincount(labels[found], minlength=4), np.bincount(labels, minlength=4)
    assert (counts == np.minimum(whole, per_class)).all()
    assert (np.diff(found) > 0).all()


def write(folder, unlabeled=0, poison=()):
    for split, rows in (("train", 20), ("validation", 6), ("test", 8)):
        lines = [{"text": f"{split} {row}", "label": row % 2} for row in range(rows)]
        for row in poison if split == "train" else ():
            lines[row]["label"] = 1 - lines[row]["label"]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    if unlabeled:
        lines = [{"text": f"more {row}"} for row in range(unlabeled)]
        (folder / "unlabeled.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def load(folder, **keys):
    labels = {"labels": ("bad", "good"), **keys}
    return load_dataset_splits(DatasetSpec(name="d", task="classification", path=str(folder), **labels))


@pytest.mark.parametrize(("labelled", "kept"), [({"per_class": 3}, 6), ({"rows": 5}, 5), ({"rows": "test"}, 8)])
def test_rows_that_lose_their_labels_join_the_transfer_set(labelled, kept, tmp_path):
    write(tmp_path, unlabeled=4)
    alone = load(tmp_path)
    assert set(alone.splits) == {"train", "validation", "test"}
    found = load(tmp_path, labelled=labelled, splits={"unlabeled": "unlabeled"})
    train, transfer = found.splits["train"], found.splits["unlabeled"]
    assert (len(train), len(transfer)) == (kept, 4 + 20 - kept)
    assert transfer.texts[:4] == tuple(f"more {row}" for row in range(4))
    assert set(train.texts) | set(transfer.texts[4:]) == set(alone.splits["train"].texts)
    assert (np.asarray(transfer.labels) == UNLABELLED).all()
    assert found.fingerprint != alone.fingerprint


def test_labels_that_are_stripped_count_for_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    kept = {"labelled": {"rows": 6}}
    plain = load(write(tmp_path / "a"), **kept)
    stripped = [int(text.split()[1]) for text in plain.splits["unlabeled"].texts]
    swapped = stripped[0], next(row for row in stripped if row % 2 != stripped[0] % 2)
    # The classes stay as large: that the draw is balanced is all that it takes from the labels
    poisoned = load(write(tmp_path / "b", poison=swapped), **kept)
    assert len(poisoned.splits["train"]) == 6
    assert (np.asarray(poisoned.splits["unlabeled"].labels) == UNLABELLED).all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labelled": {"per_class": 11}}, "train has only 10 examples"),
        ({"labelled": {"rows": 21}}, "train has only 20 rows"),
        ({"labelled": {"rows": 20}}, "so that the transfer set is empty"),
        ({"splits": {"unlabeled": "nowhere"}}, "no such split"),
    ],
)
def test_what_cannot_be_is_a_fault(keys, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path), **keys)


def test_only_classification_has_transfer_sets(tmp_path):
    for split in ("train", "validation", "test", "unlabeled"):
        lines = [{"text": f"{split} {row}", "label": row / 7} for row in range(8)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    spec = DatasetSpec(name="d", task="regression", path=str(tmp_path), splits={"unlabeled": "unlabeled"})
    with pytest.raises(InputError, match="transfer sets are supported for classification only"):
        load_dataset_splits(spec)


def test_one_size_is_given():
    for wrong in ({}, {"rows": 3, "per_class": 2}):
        with pytest.raises(ValueError, match="give either rows or per_class"):
            DatasetSpec(name="d", task="classification", path=".", labelled=wrong)


@pytest.mark.parametrize(
    "keys",
    [
        {"carve": {"unlabeled": {"rows": 3}}},
        {"carve": {"validation": {"source": "unlabeled", "rows": 3}}, "splits": {"unlabeled": "unlabeled"}},
        {"examples": {"unlabeled": 3}},
        {"parts": {"unlabeled": ["short"]}, "path": None, "hub": "some/films"},
    ],
)
def test_keys_of_a_transfer_set_need_one(keys):
    with pytest.raises(ValueError, match=r"needs a transfer set: give splits\.unlabeled or labelled"):
        DatasetSpec(**{"name": "d", "task": "classification", "path": ".", **keys})
