"""Routes: which host belongs to whom, and how it is published over HTTPS."""
