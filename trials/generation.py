"""Translations by beam search."""

from __future__ import annotations

import numpy as np
import torch

from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.spec import EVALUATION_TOKENS
from trials.tokens import TokenizedSplit, batches_by_length

BEAMS = 4


@torch.no_grad()
def translate(network: Seq2SeqNetwork, split: TokenizedSplit) -> list[str]:
    """A translation of each row of a split, in its order.

    Beam search with `BEAMS` beams and Transformers' other defaults; at most as many tokens as targets may have.
    """
    network.eval()
    found = [""] * len(split)
    for rows in batches_by_length(split.lengths, EVALUATION_TOKENS // BEAMS):
        for row, text in zip(rows, _translated(network, split, rows), strict=True):
            found[row] = text
    return found


def _translated(network: Seq2SeqNetwork, split: TokenizedSplit, rows: np.ndarray) -> list[str]:
    inputs = split.batch(rows, network.model.device)
    start = split.texts["start"]
    ids = network.model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        num_beams=BEAMS,
        max_new_tokens=split.texts["max_length"],
        **({} if start is None else {"decoder_start_token_id": start}),
    )
    return split.tokenizer.batch_decode(ids, skip_special_tokens=True)
