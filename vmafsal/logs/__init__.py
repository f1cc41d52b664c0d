"""Logs in libvmaf's shapes: what is written, and what is read back."""
