"""Many clips: what to score, by which processes, and a record of each for later runs."""
