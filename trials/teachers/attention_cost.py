"""Whether a teacher's attention maps are kept or computed again for each batch: whichever is cheaper. Torch-free."""

from __future__ import annotations

CPU_FLOPS, GPU_FLOPS = 5e10, 2e13  # assumed per core and per GPU
READ_BYTES = 4e8  # per second, of kept maps into a batch; assumed, for a disk: from memory it is four times as much
MOST_BYTES = 50e9  # of one teacher's maps of one student's layers; more are never kept
MAP_BYTES = 2  # per number: half precision


def is_caching_cheaper(numbers: float, forward_flops: float, *, gpu: bool) -> bool:
    """Whether maps are kept.

    Args:
        numbers: Of a training split's maps.
        forward_flops: Operations of the teacher's forward over it.
        gpu: Whether it would be computed on a GPU.
    """
    size = MAP_BYTES * numbers
    return size <= MOST_BYTES and size / READ_BYTES < forward_flops / (GPU_FLOPS if gpu else CPU_FLOPS)
