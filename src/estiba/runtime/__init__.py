"""An OCI bundle becomes a running process: plan, shim, cgroups."""
