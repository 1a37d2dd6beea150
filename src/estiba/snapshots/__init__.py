"""A stack of layers and a writable layer become a root file system."""
