"""Image content: blobs, references, archives, and layers as tar streams."""
