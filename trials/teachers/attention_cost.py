"""The cheaper way to get a teacher's attention maps: cached, or computed for each batch. Torch-free."""

from __future__ import annotations

CPU_FLOPS, GPU_FLOPS = 5e10, 2e13  # assumed per core and per GPU
READ_BYTES = 4e8  # per second, from the cache into a batch; assumed for a disk, memory is four times as fast
MOST_BYTES = 50e9  # of one teacher's maps for one student; larger ones are never cached
MAP_BYTES = 2  # per number: half precision


def is_caching_cheaper(numbers: float, forward_flops: float, *, gpu: bool) -> bool:
    """Whether to cache attention maps instead of computing them for each batch.

    Args:
        numbers: Number of probabilities in the maps of a training split.
        forward_flops: Operations of the teacher's forward over the split.
        gpu: Whether the teacher would be computed on a GPU.
    """
    size = MAP_BYTES * numbers
    return size <= MOST_BYTES and size / READ_BYTES < forward_flops / (GPU_FLOPS if gpu else CPU_FLOPS)
