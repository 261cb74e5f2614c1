"""The claims, a module a question, a function a claim."""
