"""From a ledger to findings: what the choices cost, which of them matter, which configuration serves everywhere.

One question, one frozen result; `tables` exports the results, `figures` draws them, `report` writes the page.
Nothing here imports torch or ray, and nothing is measured: all comes from the study file and its records.
"""
