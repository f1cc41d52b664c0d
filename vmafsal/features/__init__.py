"""Named numbers of a frame, from its saliency map; and their pooling over frames."""
