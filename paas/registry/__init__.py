"""The image registry: references, client, tokens."""
