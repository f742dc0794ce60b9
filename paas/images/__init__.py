"""Image streams: what was built, by digest, newest first; and who may read or write the registry."""
