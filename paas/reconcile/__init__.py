"""The contract of a controller: gather, plan, run; and the machinery that keeps to it."""
