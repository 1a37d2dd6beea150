"""The use cases: what a user asks for, carried out with the packages below."""
