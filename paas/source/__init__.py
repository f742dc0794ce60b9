"""From a tree of files to how it is built."""
