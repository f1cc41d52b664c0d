"""Evaluating models and maps: from pictures with masks to a table of scores."""
