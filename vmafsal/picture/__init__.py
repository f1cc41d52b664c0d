"""A frame becomes a tensor: colour, resampling, padding, normalisation."""
