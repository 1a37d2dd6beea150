"""Named volumes and what is mounted from the host."""
