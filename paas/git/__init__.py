"""Hosted git repositories, and a person's clone."""
