"""A create request: completed from image and defaults, and checked in Docker's words before anything is made."""
