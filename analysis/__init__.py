"""From a ledger to a report: a folder a family of questions, each a section with its figure, tables and sentences."""
