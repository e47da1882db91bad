"""The benchmark of one GPU: trials per GPU-hour of each way to put trials on it, in interleaved rounds.

Run it as ``python -m benchmarks.gpu`` or ``make bench-gpu``; README.md says what is compared and how.
"""

from __future__ import annotations

import argparse
import sys

import torch
from rich.console import Console

from benchmarks import throughput
from benchmarks.grid import BASELINE, FRACTIONS, ROOT, VARIANTS
from benchmarks.preparation import LEARNING_RATES
from benchmarks.speed import FOLDER, Results, command_line, rounds, run_round, setup_of, terminal

RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
SMOKE_RESULTS = FOLDER / "gpu-quick.json"
ROUNDS, TRIALS = 3, len(LEARNING_RATES)
GROUPS = (4, 8, 16)
DEFAULT_VARIANTS = (
    BASELINE,
    *(f"{BASELINE}_{number}" for number in FRACTIONS),
    "tuned",
    "tuned_bf16",
    "kdstudy",
    *(f"kdstudy_{number}" for number in FRACTIONS),
    *(f"kdstudy_group_{number}" for number in GROUPS),
    "kdstudy_bf16",
    *(f"kdstudy_bf16_group_{number}" for number in GROUPS),
)
QUICK_VARIANTS = (BASELINE, f"{BASELINE}_2", "kdstudy", "kdstudy_group_2")
NO_GPU = "no CUDA GPU here, and this benchmark measures one; --cpu --quick tries the command without"


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing, print the tables, draw the figure.

    Raises:
        SystemExit: With 2, there is no GPU.
    """
    options = _options(arguments)
    if not options.cpu and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        raise SystemExit(2)
    trials = options.trials or (2 if options.quick else TRIALS)
    setup = setup_of(options, trials, workers=0, device="cpu" if options.cpu else "cuda")
    smoke = options.quick or options.cpu
    output = options.output or (SMOKE_RESULTS if smoke else RESULTS)
    results = Results.open(output, setup, fresh=options.fresh)
    note_gpu(results, "none" if options.cpu else torch.cuda.get_device_name())
    variants = options.variants or list(QUICK_VARIANTS if options.quick else DEFAULT_VARIANTS)
    for number, prepared in rounds(options.rounds or (1 if options.quick else ROUNDS), setup, options, results):
        run_round(number, prepared, variants, results)
    show(results, terminal())
    if smoke:
        print("a smoke run: these numbers mean nothing")
    results.close()


def note_gpu(results: Results, name: str) -> None:
    """Note which GPU is measured.

    Raises:
        SystemExit: The file's results are of another one.
    """
    if (known := results.values["machine"].setdefault("gpu", name)) != name:
        raise SystemExit(f"{results.path} holds results of another GPU, {known}: give another --output, or --fresh")


def show(results: Results, console: Console) -> None:
    """Tables to the terminal, a figure beside the results file."""
    from benchmarks.drawing import gpu_figure, write
    from benchmarks.tables import print_throughputs

    if not results.values["grids"]:
        return
    found = throughput.find(results.values)
    print_throughputs(found, console)
    for path in write({results.path.stem: gpu_figure(found)}, results.path.parent):
        console.print(str(path), highlight=False, soft_wrap=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_line("gpu", __doc__, tuple(VARIANTS), rounds=ROUNDS, trials=TRIALS)
    parser.add_argument("--cpu", action="store_true", help="compute on the CPU, to try the command without a GPU")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
