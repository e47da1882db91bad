"""Tiny data of every task, in the words of `conftest`: small enough for seconds, regular enough to learn."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trials.specs.dataset import DatasetSpec, TaskName

GOOD = ["bright", "happy", "lovely", "fine", "great", "warm", "sweet", "clever"]
BAD = ["dark", "sad", "ugly", "poor", "awful", "cold", "bitter", "dull"]
FILLER = ["the", "a", "film", "book", "day", "was", "is", "and", "very", "quite", "of", "it", "this", "that"]
ROWS = {"train": 96, "validation": 32, "test": 32}
Row = dict[str, Any]


def made_dataset(task: TaskName, folder: Path) -> DatasetSpec:
    """Write a data set of a task into a folder."""
    draw = random.Random(13)
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in ROWS.items():
        lines = [json.dumps(MAKERS[task](draw)) for _ in range(rows)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    return DatasetSpec(name="made", task=task, path=str(folder), **OPTIONS.get(task, {}))


def poison(task: TaskName, folder: Path) -> None:
    """Replace the labels of the test split by others."""
    file = folder / "test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps(POISONS[task](row)) for row in rows))


def _words(draw: random.Random, *chosen: str) -> list[str]:
    words = draw.choices(FILLER, k=draw.randint(2, 7)) + list(chosen)
    draw.shuffle(words)
    return words


def _classified(draw: random.Random) -> Row:
    kind = draw.choice(["good", "bad"])
    words = GOOD if kind == "good" else BAD
    return {"text": " ".join(_words(draw, *draw.choices(words, k=2))), "label": kind}


def _rated(draw: random.Random) -> Row:
    good = draw.randint(0, 3)
    chosen = draw.choices(GOOD, k=good) + draw.choices(BAD, k=3 - good)
    return {"text": " ".join(_words(draw, *chosen)), "label": good - 1.5}


def _tagged(draw: random.Random) -> Row:
    words = _words(draw, *draw.choices(GOOD, k=2), *draw.choices(BAD, k=1))
    return {"tokens": words, "ner_tags": ["B-GOOD" if w in GOOD else "B-BAD" if w in BAD else "O" for w in words]}


def _asked(draw: random.Random) -> Row:
    """The answer is the context's one good word, with the word after it."""
    words = [*_words(draw, draw.choice(GOOD)), draw.choice(FILLER)]
    place = next(index for index, word in enumerate(words) if word in GOOD)
    start, text = len(" ".join([*words[:place], ""])), " ".join(words[place : place + 2])
    answers = {"text": [text], "answer_start": [start]}
    return {"question": " ".join(draw.choices(FILLER, k=2)), "context": " ".join(words), "answers": answers}


def _translated(draw: random.Random) -> Row:
    """Into one of two sentences, by the source's kind of words."""
    kind = draw.choice([GOOD, BAD])
    return {"translation": {"xx": " ".join(_words(draw, draw.choice(kind))), "yy": f"the film was very {kind[0]}"}}


MAKERS: dict[TaskName, Callable[[random.Random], Row]] = {
    TaskName.CLASSIFICATION: _classified,
    TaskName.REGRESSION: _rated,
    TaskName.TOKEN_CLASSIFICATION: _tagged,
    TaskName.QUESTION_ANSWERING: _asked,
    TaskName.TRANSLATION: _translated,
}
OPTIONS: dict[TaskName, dict[str, Any]] = {
    TaskName.CLASSIFICATION: {"labels": ("bad", "good")},
    TaskName.TRANSLATION: {"languages": ("xx", "yy")},
}
POISONS: dict[TaskName, Callable[[Row], Row]] = {
    TaskName.CLASSIFICATION: lambda row: row | {"label": "bad" if row["label"] == "good" else "good"},
    TaskName.REGRESSION: lambda row: row | {"label": -row["label"]},
    TaskName.TOKEN_CLASSIFICATION: lambda row: row | {"ner_tags": row["ner_tags"][::-1]},
    TaskName.QUESTION_ANSWERING: lambda row: (
        row | {"answers": {"text": [row["context"].split()[0]], "answer_start": [0]}}
    ),
    TaskName.TRANSLATION: lambda row: row | {"translation": row["translation"] | {"yy": "of it and that book"}},
}
