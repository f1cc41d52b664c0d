"""A frame becomes the tensor that a model sees: resampling, colour, normalisation, padding."""
