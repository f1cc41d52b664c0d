"""Logs, and pictures of the frames that matter, as one HTML page or a static plot."""
