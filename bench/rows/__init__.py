"""What is measured: a file per kind of thing."""
