"""The tuned peer: the fastest configuration that we found for the same libraries, without an own training loop.

Workers are reused and keep data and models, rows of like length share a batch, evaluation takes large sorted batches,
one thread a worker at usual priority. The teacher still runs in every step; `cached` variants compute its outputs once.
"""

from __future__ import annotations

import copy
import os
import time
from typing import Any

SETTINGS = {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
os.environ.update(SETTINGS)  # before Ray and torch are imported

import ray  # noqa: E402 - after the settings that it reads at import
import torch  # noqa: E402
from datasets import load_from_disk  # noqa: E402
from ray import tune  # noqa: E402
from torch.utils.data import SequentialSampler  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    TrainingArguments,
)

from benchmarks.grid import VARIANTS, GridResult, Job  # noqa: E402
from benchmarks.peer_idiomatic import (  # noqa: E402
    DistillationTrainer,
    Stopwatch,
    distillation_loss,
    resources,
    scores,
    start_ray,
    tested,
    trials_of,
)

EVALUATION_BATCH = 128
Rows = list[dict[str, Any]]


def run(job: Job) -> GridResult:
    """All trials, on workers that are reused."""
    teacher_logits, cache_seconds = _cached_teacher(job) if VARIANTS[job.variant].cached else (None, 0.0)
    start_ray(job)
    trainable = tune.with_parameters(TunedTrials, job=job, teacher_logits=teacher_logits)
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources(job)),
        param_space={"learning_rate": tune.grid_search(list(job.learning_rates))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(storage_path=job.scratch, name="tune", verbose=0),
    )
    found = tuner.fit()
    ray.shutdown()
    return GridResult(trials_of(found), cache_seconds)


class TunedTrials(tune.Trainable):
    """A worker that keeps data and models; each trial is one step."""

    def setup(  # type: ignore[override]  # `tune.with_parameters` adds the arguments
        self, config: dict[str, Any], job: Job, teacher_logits: list[list[float]] | None
    ) -> None:
        """Load what all trials share."""
        self.job = job
        self.bf16 = VARIANTS[job.variant].precision == "bf16"
        data = load_from_disk(job.data)
        self.train_rows: Rows = list(data["train"])
        if teacher_logits is not None:
            pairs = zip(self.train_rows, teacher_logits, strict=True)
            self.train_rows = [{**row, "teacher_logits": logits} for row, logits in pairs]
        self.validation_rows: Any = longest_first(data["validation"])  # Trainer takes lists, though it does not say so
        self.test_rows: Any = longest_first(data["test"])
        self.collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(job.teacher))
        self.teacher = load_teacher(job) if teacher_logits is None else None
        self.student = AutoModelForSequenceClassification.from_pretrained(job.student)

    def step(self) -> dict[str, Any]:
        """One trial."""
        started = time.time()
        stopwatch = Stopwatch()
        trainer = TunedTrainer(
            copy.deepcopy(self.student),
            self._arguments(),
            teacher=self.teacher,
            temperature=self.job.temperature,
            train_dataset=self.train_rows,
            eval_dataset=self.validation_rows,
            data_collator=self.collator,
            compute_metrics=scores,
            callbacks=[stopwatch],
        )
        trainer.train()
        result = tested(trainer, self.test_rows, self.config["learning_rate"], stopwatch, started)
        return {"done": True, "trial": result}

    def _arguments(self) -> TrainingArguments:
        recipe, rate = self.job.recipe, self.config["learning_rate"]
        return TrainingArguments(
            output_dir=f"{self.job.scratch}/{rate}",
            use_cpu=not self.job.gpus,
            bf16=self.bf16,
            seed=self.job.seed,
            learning_rate=rate,
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=EVALUATION_BATCH,
            train_sampling_strategy="group_by_length",
            optim="adamw_torch_fused",
            warmup_steps=recipe.warmup_fraction,
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_only_model=True,
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="accuracy",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=bool(self.job.gpus),
            remove_unused_columns=False,
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ready for another trial."""
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial is one step."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing: a trial is one step."""


class TunedTrainer(DistillationTrainer):
    """Takes the teacher's outputs from the batch where they are cached; evaluates rows in the order given."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As the idiomatic peer's, but for the cache."""
        teacher_logits = inputs.pop("teacher_logits", None)
        if teacher_logits is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        loss = distillation_loss(outputs.logits, teacher_logits, self.temperature)
        return (loss, outputs) if return_outputs else loss

    def _get_eval_sampler(self, eval_dataset: Any) -> SequentialSampler:
        return SequentialSampler(eval_dataset)  # sorted already; Trainer would shuffle before it groups by length


def longest_first(rows: Any) -> Rows:
    """The rows, longest first."""
    return sorted(rows, key=lambda row: -len(row["input_ids"]))


def load_teacher(job: Job) -> PreTrainedModel:
    """The teacher."""
    teacher: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(job.teacher)
    return teacher.eval()


@torch.no_grad()
def _cached_teacher(job: Job) -> tuple[list[list[float]], float]:
    """The teacher's logits of the training rows [rows, classes], and the seconds that they took on all the job has."""
    started = time.perf_counter()
    torch.set_num_threads(job.workers)
    teacher: torch.nn.Module = load_teacher(job)
    teacher.to(job.device)
    collate = DataCollatorWithPadding(AutoTokenizer.from_pretrained(job.teacher))
    rows = [{"index": index, **row} for index, row in enumerate(load_from_disk(job.data)["train"])]
    ordered, logits = longest_first(rows), dict[int, list[float]]()
    with torch.autocast(job.device, torch.bfloat16, enabled=VARIANTS[job.variant].precision == "bf16"):
        for start in range(0, len(ordered), EVALUATION_BATCH):
            padded = collate(ordered[start : start + EVALUATION_BATCH])
            batch = {key: value.to(job.device) for key, value in padded.items()}
            places, _ = batch.pop("index").tolist(), batch.pop("labels")
            logits.update(zip(places, teacher(**batch).logits.tolist(), strict=True))
    return [logits[index] for index in range(len(rows))], time.perf_counter() - started
