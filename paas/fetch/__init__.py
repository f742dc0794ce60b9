"""The first step inside a build pod."""
