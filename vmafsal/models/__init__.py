"""What a model is: registry, sidecar, contract, graph."""
