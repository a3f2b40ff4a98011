"""The HTTP service: one process, one model, every image steered by a policy and signed with its provenance.

Entry points: `settings.load_settings` (options, TRIMTAB_* variables, YAML) and `app.create_app`.
"""
