"""Runs an exported recurrent student, without kdstudy: ``python run_student.py "a text" "another one"``.

Needs torch, safetensors and tokenizers. The model's files lie beside this one.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

FOLDER = Path(__file__).resolve().parent


class Student(nn.Module):
    """Embeddings, an LSTM each way, the maximum over positions or the last states, a classifier."""

    def __init__(self, config):
        super().__init__()
        self.pooling, size, hidden = config["pooling"], config["embedding_size"], config["hidden_size"]
        self.embedding = nn.Embedding(config["vocab_size"], size)
        self.forwards = nn.LSTM(size, hidden, batch_first=True)
        self.backwards = nn.LSTM(size, hidden, batch_first=True)
        self.classifier = nn.Linear(2 * hidden, len(config["id2label"]))

    def forward(self, ids):
        """Logits [classes] of one text's token ids [tokens]."""
        embedded = self.embedding(ids)[None]
        ahead = self.forwards(embedded)[0][0]  # [tokens, hidden]
        back = self.backwards(embedded.flip(1))[0][0]
        pooled = [states.amax(0) if self.pooling == "max" else states[-1] for states in (ahead, back)]
        return self.classifier(torch.cat(pooled))


def load(folder=FOLDER):
    """Student, tokenizer, label names and longest input."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    student = Student(config)
    student.load_state_dict(load_file(folder / "model.safetensors"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(config["max_length"])
    labels = [config["id2label"][str(index)] for index in range(len(config["id2label"]))]
    return student.eval(), tokenizer, labels


@torch.no_grad()
def logits(texts, student, tokenizer):
    """Logits [texts, classes]; a text is a string, or a pair of strings."""
    found = []
    for text in texts:
        ids = (tokenizer.encode(*text) if isinstance(text, tuple) else tokenizer.encode(text)).ids
        found.append(student(torch.tensor(ids or [0])))
    return torch.stack(found)


def main():
    """Print the label and the probability of each argument."""
    student, tokenizer, labels = load()
    for text, row in zip(sys.argv[1:], logits(sys.argv[1:], student, tokenizer).softmax(-1), strict=True):
        best = int(row.argmax())
        print(f"{labels[best]}\t{row[best]:.4f}\t{text}")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
