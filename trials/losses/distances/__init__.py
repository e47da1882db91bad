"""Distances between the logits of a student and of its teacher: one file each, by the names of `Distance`."""
