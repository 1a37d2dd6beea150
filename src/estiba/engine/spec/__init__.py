"""From a container's record to its OCI specification: Docker's default environment, value for value."""
