"""The pages for people, over the same readers as the API; Jinja templates and static files are in ``templates/viewer``.

``navigation`` (which pages somebody sees), ``show`` (values as text for people), ``static`` (style sheet, scripts,
fonts); then one module a page. What does not belong here: who may what (``security``), and reading (``search``,
``event``).
"""
