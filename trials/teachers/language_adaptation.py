"""Masked-language-model training of teachers on their data, before fine-tuning (D, section 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import digest
from trials.datasets import TokenizedData
from trials.models import model_fingerprint
from trials.readers import TokenizedSplit, batches_by_length, copy_files, load_tokenizer, offsets, tokenizer_files
from trials.specs import Adaptation, TeacherTask
from trials.storage import Workspace
from trials.training import (
    LOWEST_LOSS,
    WHOLE_BATCH,
    Batch,
    CheckpointFile,
    TermCounts,
    TrainingRun,
    Validation,
    set_weights,
    train,
)

MASKED, REPLACED = 0.8, 0.1  # of the tokens to predict: replaced by the mask, by another token; the rest is kept


class MaskedModel(nn.Module):
    """An encoder that predicts masked tokens.

    Args:
        model: A Transformers model with a masked-language-model head.
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model
        self._head = getattr(model, "cls", None) or getattr(model, "lm_head", None)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits [places, vocabulary] at ``places``, int64 positions in the flattened batch."""
        inputs = {name: values for name, values in batch.items() if name != "places"}
        if self._head is None:  # a head of several modules is computed for all positions
            return self.model(**inputs).logits.flatten(0, 1).index_select(0, batch["places"])
        states = self.model.base_model(**inputs).last_hidden_state.flatten(0, 1)
        return self._head(states.index_select(0, batch["places"]))


class Masking:
    """Masks tokens of batches (Devlin et al., 2019).

    Args:
        tokenizer: The model's tokenizer.
        share: Fraction of the tokens to predict, special tokens excluded.
        vocabulary: Size of the vocabulary.
    """

    def __init__(self, tokenizer: Any, share: float, vocabulary: int):
        self._special = torch.tensor(sorted(tokenizer.all_special_ids))
        self._mask_id, self._share, self._vocabulary = tokenizer.mask_token_id, share, vocabulary

    def __call__(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """The batch with masked tokens and their ``places``; and the original tokens, int64 [places].

        The masked tokens depend on torch's random state.
        """
        ids = batch["input_ids"]
        candidates = batch["attention_mask"].bool() & ~torch.isin(ids, self._special.to(ids.device))
        chosen = candidates & (torch.rand(ids.shape) < self._share).to(ids.device)
        if not chosen.any():
            chosen.view(-1)[candidates.int().argmax()] = True  # at least one, or the batch would have no loss
        fate = torch.rand(ids.shape).to(ids.device)
        others = torch.randint(self._vocabulary, ids.shape).to(ids.device)
        shown = torch.where(fate < MASKED, self._mask_id, torch.where(fate < MASKED + REPLACED, others, ids))
        places = chosen.flatten().nonzero().squeeze(1)
        hidden = {**batch, "input_ids": torch.where(chosen, shown, ids), "places": places}
        return hidden, ids.flatten().index_select(0, places)


def adapt_teacher(
    task: TeacherTask,
    how: Adaptation,
    source: Path,
    data: TokenizedData,
    workspace: Workspace,
    device: torch.device,
    checkpoint_seconds: float,
    micro_batch: int | None = None,
) -> Path:
    """The folder of the teacher's model after training on the texts of train and transfer set.

    The weights are those of the lowest loss on the validation split.

    Raises:
        TrialFailed: Training diverged.
    """
    seed, recipe = task.teacher.seed, task.training.identity()
    key = digest(["adapted", model_fingerprint(source), data.key, seed, recipe, how.model_dump()])[:24]
    checkpoint = CheckpointFile.of(f"{task.teacher_id}-adapted", workspace, checkpoint_seconds)

    def build(target: Path) -> None:
        network = MaskedModel(_masked_model(source, seed)).to(device)
        masking = Masking(load_tokenizer(source), how.masked, network.model.config.vocab_size)
        _train(network, masking, task, how, data, checkpoint, device, micro_batch)
        network.model.save_pretrained(target)
        copy_files(tokenizer_files(source), target)

    built = workspace.build_once(workspace.initial(key), build)
    checkpoint.remove()
    return built


def _train(
    network: MaskedModel,
    masking: Masking,
    task: TeacherTask,
    how: Adaptation,
    data: TokenizedData,
    checkpoint: CheckpointFile,
    device: torch.device,
    micro_batch: int | None,
) -> None:
    """Train the model in place on the texts of train and transfer set; it ends with the best weights.

    Micro-batches are weighted by their rows, because their numbers of masked tokens are random.
    """
    texts = _joined([data.splits[name] for name in ("train", "unlabeled") if name in data.splits])

    def draw(rows: np.ndarray) -> Batch:
        return Batch(*masking(texts.batch(rows, device)), len(rows))

    def validate() -> Validation:
        loss = _loss(network, data.splits["validation"], masking, task.teacher.seed, device)
        return Validation(-loss, loss)

    def mean(logits: Tensor, hidden: Tensor, share: TermCounts = WHOLE_BATCH) -> Tensor:
        return share.rows * F.cross_entropy(logits, hidden)

    run = TrainingRun(network, mean, validate, how.learning_rate, checkpoint)
    recipe = task.training.model_copy(update={"epochs": how.epochs, "early_stopping": None})
    seed, selections = task.teacher.seed, (LOWEST_LOSS,)
    train(
        [run], draw, num_examples=len(texts), recipe=recipe, seed=seed, selections=selections, micro_batch=micro_batch
    )
    if run.failure is not None:
        raise run.failure
    set_weights(network, run.result.weights[LOWEST_LOSS.name])


@torch.no_grad()
def _loss(network: MaskedModel, split: TokenizedSplit, masking: Masking, seed: int, device: torch.device) -> float:
    """Mean cross-entropy over the masked tokens of a split; the same tokens are masked each time."""
    network.eval()
    total, count = 0.0, 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for rows in batches_by_length(split.lengths):
            batch, labels = masking(split.batch(rows, device))
            total += float(F.cross_entropy(network(batch), labels, reduction="sum"))
            count += len(labels)
    return total / count


def _joined(splits: Sequence[TokenizedSplit]) -> TokenizedSplit:
    """The texts of several splits, one after the other, without labels."""
    types = [split.type_ids for split in splits if split.type_ids is not None]
    return replace(
        splits[0],
        ids=np.concatenate([split.ids for split in splits]),
        type_ids=np.concatenate(types) if types else None,
        offsets=offsets(np.concatenate([split.lengths for split in splits])),
        labels=np.zeros(0),
        positions=None,
        position_offsets=None,
        extra={},
    )


def _masked_model(source: Path, seed: int) -> Any:
    from transformers import AutoModelForMaskedLM

    torch.manual_seed(seed)  # a source without the head gets a new one
    settings = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    return AutoModelForMaskedLM.from_pretrained(source, dtype=torch.float32, **settings)
