"""The life of the engine's process: sockets, signals, background start."""
