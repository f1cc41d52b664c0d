"""How good a saliency map is."""
