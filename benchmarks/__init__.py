"""How fast kdstudy's trials are: against two peers on the same libraries, and against the processor's own limit."""
