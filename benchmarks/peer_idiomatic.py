"""The idiomatic peer: transformers' Trainer in a Ray Tune function, as their documentation shows it.

The teacher runs beside the student in every training step; all settings are the libraries' defaults, but for those
that make the trials the same work as kdstudy's.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import ray
import torch
import torch.nn.functional as F
from datasets import load_from_disk
from ray import tune
from sklearn.metrics import accuracy_score, matthews_corrcoef
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import PredictionOutput

from benchmarks.grid import GridResult, Job, TrialResult


def run(job: Job) -> GridResult:
    """All trials, each in a new worker."""
    start_ray(job)
    tuner = tune.Tuner(
        tune.with_resources(partial(train_student, job=job), resources(job)),
        param_space={"learning_rate": tune.grid_search(list(job.learning_rates))},
        run_config=tune.RunConfig(storage_path=job.scratch, name="tune", verbose=0),
    )
    found = tuner.fit()
    ray.shutdown()
    return GridResult(trials_of(found))


def start_ray(job: Job) -> None:
    """Ray on this machine, with a core for each trial and the GPU that the job has."""
    ray.init("local", num_cpus=job.workers, num_gpus=job.gpus, include_dashboard=False, log_to_driver=False)


def resources(job: Job) -> dict[str, float]:
    """What Ray reserves for a trial."""
    return {"cpu": 1, "gpu": job.gpu_share}


def train_student(config: dict[str, Any], job: Job) -> None:
    """One trial."""
    started = time.time()
    student = AutoModelForSequenceClassification.from_pretrained(job.student)
    teacher = AutoModelForSequenceClassification.from_pretrained(job.teacher).eval()
    data = load_from_disk(job.data)
    arguments = TrainingArguments(
        output_dir=f"{job.scratch}/{config['learning_rate']}",
        use_cpu=not job.gpus,
        seed=job.seed,
        learning_rate=config["learning_rate"],
        num_train_epochs=job.recipe.epochs,
        per_device_train_batch_size=job.recipe.batch_size,
        per_device_eval_batch_size=job.recipe.batch_size,
        warmup_steps=job.recipe.warmup_fraction,
        weight_decay=job.recipe.weight_decay,
        max_grad_norm=job.recipe.max_grad_norm,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
    )
    stopwatch = Stopwatch()
    trainer = DistillationTrainer(
        student,
        arguments,
        teacher=teacher,
        temperature=job.temperature,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=AutoTokenizer.from_pretrained(job.teacher),
        compute_metrics=scores,
        callbacks=[stopwatch, ReportEpoch()],
    )
    trainer.train()
    tune.report({"trial": tested(trainer, data["test"], config["learning_rate"], stopwatch, started)})


def tested(trainer: Trainer, rows: Any, learning_rate: float, stopwatch: Stopwatch, started: float) -> dict[str, Any]:
    """The fields of a trained student's `TrialResult`, after its test."""
    test_scores, on_gpu = scores(trainer.predict(rows)), trainer.args.device.type == "cuda"
    ended = time.time()
    return {
        "learning_rate": learning_rate,
        "validation_score": trainer.state.best_metric,
        "test_scores": test_scores,
        "train_seconds": stopwatch.seconds,
        "seconds": ended - started,
        "started": started,
        "ended": ended,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }


def trials_of(found: tune.ResultGrid) -> tuple[TrialResult, ...]:
    """The trials that ended without an error."""
    ended = [found[index] for index in range(len(found)) if not found[index].error]
    return tuple(TrialResult(**result.metrics["trial"]) for result in ended if result.metrics)


class DistillationTrainer(Trainer):
    """A Trainer whose loss compares the student with a teacher that runs beside it."""

    def __init__(self, *args: Any, teacher: Any, temperature: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.teacher: Any = teacher.to(self.args.device) if teacher is not None else None
        self.temperature = temperature

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Soft-label loss in training; in evaluation the usual one, for which no teacher has to run."""
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        features = {name: value for name, value in inputs.items() if name != "labels"}
        outputs = model(**features)
        with torch.no_grad(), self.accelerator.autocast():  # of bf16 trials; nothing in fp32
            teacher_logits = self.teacher(**features).logits.float()
        loss = distillation_loss(outputs.logits, teacher_logits, self.temperature)
        return (loss, outputs) if return_outputs else loss


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Cross-entropy between the softened predictions, times the temperature squared (Hinton et al., 2014)."""
    targets = (teacher_logits / temperature).softmax(-1)
    return F.cross_entropy(student_logits / temperature, targets) * temperature**2


def scores(prediction: EvalPrediction | PredictionOutput) -> dict[str, float]:
    """Accuracy and Matthews correlation coefficient."""
    labels, predicted = prediction.label_ids, np.argmax(prediction.predictions, axis=-1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "matthews_corrcoef": float(matthews_corrcoef(labels, predicted)),
    }


class ReportEpoch(TrainerCallback):
    """Tells Tune each epoch's validation score."""

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each epoch."""
        tune.report({"validation_score": kwargs["metrics"]["eval_accuracy"]})


class Stopwatch(TrainerCallback):
    """Seconds in training steps: in epochs, without the evaluations and saves between them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start."""
        self._started = time.perf_counter()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop."""
        self.seconds += time.perf_counter() - self._started
