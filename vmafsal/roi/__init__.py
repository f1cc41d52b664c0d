"""Regions of interest: QP offsets from saliency maps, and what encoders read of them."""
