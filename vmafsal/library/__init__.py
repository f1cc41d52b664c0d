"""Many clips: what to score, by which processes, and a record of each that a rerun can trust."""
