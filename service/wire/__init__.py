"""The wire formats: what each family of clients sends and reads, as pydantic models and plain functions.

`native` is the service's own; `openai`, `huggingface` and `webui` are those of clients that exist.
"""
