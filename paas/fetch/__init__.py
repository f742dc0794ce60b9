"""Reading sources elsewhere, checked: the first step inside a build pod, and where a branch is."""
