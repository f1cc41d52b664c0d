"""Named scalars of a frame, from its saliency map."""
