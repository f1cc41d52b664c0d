"""A tensor becomes a saliency map."""
