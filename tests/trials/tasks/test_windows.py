"""Rows of several outputs: windows of long contexts, first tokens of words; perfect outputs score perfectly."""

import json
import random

import numpy as np
import pytest
from made_tasks import FILLER, GOOD, made_dataset

from trials.datasets.loading import load_dataset_splits
from trials.datasets.tokenized_data import load_tokenized
from trials.specs.dataset import DatasetSpec, TaskName
from trials.storage.workspace import Workspace
from trials.tasks.metrics import answer_scores, span_scores, translation_scores
from trials.tasks.registry import task_of

LENGTH = 16


def questions(folder, *, unanswered=False):
    """Long contexts with one good word, which is the answer; the last question may have none."""
    draw = random.Random(1)
    rows = []
    for _ in range(12):
        words = draw.choices(FILLER, k=draw.randint(8, 40))
        words.insert(draw.randrange(len(words)), draw.choice(GOOD))
        context = "  ".join(words)  # two spaces: characters are not tokens
        answer = next(word for word in words if word in GOOD)
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
        rows.append({"question": "it is", "context": context, "answers": answers})
    if unanswered:
        rows[-1]["answers"] = {"text": [], "answer_start": []}
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return DatasetSpec(name="asked", task="question_answering", path=str(folder)), rows


def split_of(dataset, model, root):
    fingerprint = load_dataset_splits(dataset).fingerprint
    return load_tokenized(dataset, fingerprint, model, LENGTH, Workspace(root)).splits["test"]


@pytest.mark.parametrize("stride", [None, 0, 3])
def test_windows_cover_the_context_and_their_labels_are_the_answer(stride, tiny_model, tmp_path):
    dataset, rows = questions(tmp_path)
    split = split_of(dataset.model_copy(update={"stride": stride}), tiny_model, tmp_path / "study")
    assert split.lengths.max() <= LENGTH
    assert len(split) > len(rows)
    seen = [set() for _ in rows]
    answered = [0] * len(rows)
    for row, example in enumerate(split.extra["examples"]):
        spans = split.extra["spans"][split.position_offsets[row] : split.position_offsets[row + 1]]
        context, answer = rows[example]["context"], rows[example]["answers"]["text"][0]
        texts = [context[start:end] for start, end in spans]
        seen[example] |= set(map(tuple, spans[1:].tolist()))
        start, end = split.labels[row]
        # Either the whole answer is in the window, and the label is it, or the label is the first position
        assert (texts[start] == texts[end] == answer) if answer in texts[1:] else (start, end) == (0, 0)
        answered[example] += int(start > 0)
    for found, row in zip(seen, rows, strict=True):
        assert [row["context"][start:end] for start, end in sorted(found)] == row["context"].split()
    assert min(answered) >= 1


def perfect_outputs(split):
    """Logits that name each window's label."""
    outputs = np.zeros((int(split.position_offsets[-1]), 2), dtype=np.float32)
    for row, label in enumerate(split.labels):
        outputs[split.position_offsets[row] + label, [0, 1]] = 10
    return outputs


def test_right_logits_score_1_and_a_window_without_the_answer_does_not_win(tiny_model, tmp_path):
    dataset, _ = questions(tmp_path)
    split = split_of(dataset, tiny_model, tmp_path / "study")
    assert task_of(dataset).score(perfect_outputs(split), split) == {"squad_f1": 1.0, "exact_match": 1.0}


def test_no_answer_is_given_only_where_the_data_know_of_that(tiny_model, tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "some").mkdir()
    for folder, unanswered in ((tmp_path / "all", False), (tmp_path / "some", True)):
        dataset, rows = questions(folder, unanswered=unanswered)
        split = split_of(dataset, tiny_model, folder / "study")
        nothing = np.zeros((int(split.position_offsets[-1]), 2), dtype=np.float32)
        nothing[split.position_offsets[:-1]] = 10  # every window says that it has no answer
        scores = task_of(dataset).score(nothing, split)
        # With answers to all questions some span is given, which is no answer; else all say none, right once
        assert scores["exact_match"] == pytest.approx(1 / len(rows) if unanswered else 0.0)
        assert task_of(dataset).score(perfect_outputs(split), split)["exact_match"] == 1.0


def test_long_questions_leave_room_for_the_context(tiny_model, tmp_path):
    dataset, rows = questions(tmp_path)
    for split in ("train", "validation", "test"):
        longer = [row | {"question": " ".join(FILLER * 5)} for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, longer)))
    split = split_of(dataset, tiny_model, tmp_path / "study")
    assert np.diff(split.position_offsets).min() > 1
    assert split.lengths.max() <= LENGTH


def test_words_that_are_cut_off_count_as_outside(tiny_model, tmp_path):
    words, tags = ["film"] * 20 + ["great"], ["O"] * 20 + ["B-GOOD"]
    rows = [{"tokens": ["great", "film"], "ner_tags": ["B-GOOD", "O"]}, {"tokens": words, "ner_tags": tags}]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = DatasetSpec(name="tagged", task="token_classification", path=str(tmp_path))
    split = split_of(dataset, tiny_model, tmp_path / "study")
    assert np.diff(split.position_offsets).tolist() == [2, LENGTH - 2]
    outputs = np.eye(len(split.label_names), dtype=np.float32)[split.labels]  # right wherever a word is seen
    scores = task_of(dataset).score(outputs, split)
    assert scores["span_recall"] == 0.5
    assert scores["span_precision"] == 1.0
    assert scores["tag_accuracy"] == pytest.approx(22 / 23)


def test_positions_are_the_first_tokens_of_words(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {
        token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fi", "##lm", "great", "##er"])
    }
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    special = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(tmp_path / "model")
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=8, **size)).save_pretrained(tmp_path / "model")
    rows = [{"tokens": ["greater", "film", "\u200b", "great"], "ner_tags": ["B-A", "O", "O", "I-A"]}]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = DatasetSpec(name="tagged", task="token_classification", path=str(tmp_path))
    split = split_of(dataset, tmp_path / "model", tmp_path / "study")
    # [CLS] great ##er fi ##lm (or the odd word's [UNK]) great [SEP]
    words = [split.ids[place] for place in split.positions]
    assert [words[0], words[1], words[-1]] == [6, 4, 6]
    assert split.positions[:2].tolist() == [1, 3]
    assert [split.label_names[label] for label in split.labels][:2] == ["B-A", "O"]
    assert split.extra["words"][-1] == 3


class TestMetrics:
    """Against values worked out by hand."""

    def test_spans(self):
        names, offsets = ("O", "B-A", "I-A", "B-B", "I-B"), np.array([0, 4, 6])
        right, found = np.array([1, 2, 0, 3, 0, 1]), np.array([1, 2, 0, 1, 3, 1])
        # Right: A(0-1), B(3), A(5). Found: A(0-1), A(3), B(4), A(5): two of four, of three
        scores = span_scores(found, right, offsets, names)
        assert scores["span_precision"] == 0.5
        assert scores["span_recall"] == pytest.approx(2 / 3)
        assert scores["span_f1"] == pytest.approx(4 / 7)
        assert scores["tag_accuracy"] == pytest.approx(4 / 6)

    def test_answers(self):
        found = ["The Cat!", "a black dog", "", "mouse"]
        right = [["cat"], ["dog", "the black dog barks"], [], []]
        scores = answer_scores(found, right)
        # Articles and punctuation do not count; f1: 1, max(2 * 1/2 * 1 / 1.5, 2 * 1 * 2/3 / (5/3)) = 0.8, 1, 0
        assert scores["squad_f1"] == pytest.approx((1 + 0.8 + 1 + 0) / 4, abs=1e-6)
        assert scores["exact_match"] == pytest.approx(2 / 4)

    def test_translations(self):
        same = ["the film was very great", "it is a book"]
        assert translation_scores(same, same) == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}
        assert translation_scores(["", ""], same)["bleu"] == 0
        # Sacrebleu's BLEU of one 5-word text with one wrong word at its end: (4/5 * 3/4 * 2/3 * 1/2)^(1/4)
        scores = translation_scores(["the film was very sad"], ["the film was very great"])
        assert scores["bleu"] == pytest.approx(100 * 0.2**0.25, rel=1e-6)


def test_answers_of_mrqas_form_are_read_where_they_stand(tiny_model, tmp_path):
    dataset, rows = questions(tmp_path)
    for row in rows:
        text, start = row["answers"]["text"][0], row["answers"]["answer_start"][0]
        spans = [{"start": [start], "end": [start + len(text) - 1]}]
        row["answers"] = {"text": [text.upper()], "char_spans": spans, "token_spans": []}
    squad = load_dataset_splits(dataset).splits["test"].labels
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert load_dataset_splits(dataset).splits["test"].labels == squad


@pytest.mark.parametrize("task", [TaskName.TOKEN_CLASSIFICATION, TaskName.QUESTION_ANSWERING])
def test_rows_of_positions_are_gathered_in_the_order_asked_for(task, tiny_model, tmp_path):
    split = split_of(made_dataset(task, tmp_path), tiny_model, tmp_path / "study")
    rows = np.array([3, 0, 5])
    expected = [split.positions[split.position_offsets[row] : split.position_offsets[row + 1]] for row in rows]
    np.testing.assert_array_equal(split.position_values(split.positions, rows), np.concatenate(expected))
