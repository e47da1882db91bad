"""What can be chosen in knowledge distillation: configurations and the spaces they are drawn from.

Pure Python: nothing here imports torch or ray.
"""
