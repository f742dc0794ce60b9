"""Image streams: what was built, by digest, newest first."""
