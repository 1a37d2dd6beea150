"""The Docker Engine API over HTTP: a table of routes, one file per resource."""
