"""What a person runs: the embedded node, images, secrets."""
