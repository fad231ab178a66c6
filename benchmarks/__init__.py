"""picoSIP and its peers in one run on one machine: how many calls, at what cost, how fast."""
