"""The documentation's site: docs/ and what is made from the code, built without the internet.

Entry point: `python -m docs_site build | serve | figures`.
"""
