"""Translations by beam search."""

from __future__ import annotations

import numpy as np
import torch
from transformers import GenerationConfig

from trials.networks import Seq2SeqNetwork
from trials.readers import TokenizedSplit, batches_by_length
from trials.specs import EVALUATION_TOKENS
from trials.training import map_batches

BEAMS = 4


@torch.no_grad()
def translate(network: Seq2SeqNetwork, split: TokenizedSplit) -> list[str]:
    """Translations of the rows of a split, in its order.

    Beam search has `BEAMS` beams and otherwise Transformers' defaults. The model's own settings are ignored, so that
    teachers and students are compared fairly. Translations have at most as many tokens as targets may have. The model
    keeps these settings, so that a saved model translates in Transformers exactly as it was scored.
    """
    network.eval()
    # Set on the model: as an argument of `generate` it would be merged with the model's own settings
    network.model.generation_config = _settings(network, split)
    found = [""] * len(split)
    batches = batches_by_length(split.lengths, EVALUATION_TOKENS // BEAMS)
    for rows, texts in map_batches(lambda rows: _translated(network, split, rows), batches):
        for row, text in zip(rows, texts, strict=True):
            found[row] = text
    return found


def _settings(network: Seq2SeqNetwork, split: TokenizedSplit) -> GenerationConfig:
    """The settings of beam search; the decoder starts with the same token as in training."""
    config, language = network.model.config, split.texts["start"]
    return GenerationConfig(
        num_beams=BEAMS,
        max_new_tokens=split.texts["max_length"],
        pad_token_id=config.pad_token_id,
        eos_token_id=config.eos_token_id,
        forced_eos_token_id=config.eos_token_id,
        suppress_tokens=[config.pad_token_id],
        decoder_start_token_id=int(network.inputs(split, np.array([0]))["decoder_input_ids"][0, 0]),
        forced_bos_token_id=language
        if language == split.labels[0]
        else None,  # targets of mBART-50 start with their language's code
    )


def _translated(network: Seq2SeqNetwork, split: TokenizedSplit, rows: np.ndarray) -> list[str]:
    inputs = split.batch(rows, network.model.device)
    ids = network.model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    return split.tokenizer.batch_decode(ids, skip_special_tokens=True)
