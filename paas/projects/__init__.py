"""Projects: what a namespace with the project label is given."""
