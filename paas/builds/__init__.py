"""BuildConfig and Build: from a commit to an image with a known digest, by a Kaniko Job."""
