"""Whether a plugin keeps its side of the contract: `bench check`, and `pytest --pyargs benchbase.conformance --plugin NAME`.

A check is a function from a subject (a method, a model, ... with what the checks of it share) to findings. Its name is that of the paragraph
in plugins/README.md which explains it. Nothing here imports torch before a check of that kind is asked for.
"""
