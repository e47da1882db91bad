"""Many trials: study files, the plan, the search, the ledger, the launch on Ray Tune, the command line."""
