"""What a build needs and makes: images, packages, locks, the host's own mirrors and certificates."""
