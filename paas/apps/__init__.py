"""What spans the rooms: all kinds, the installation of the platform, and new applications."""
