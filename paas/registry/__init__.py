"""The image registry: references, client, and who may read or write it."""
