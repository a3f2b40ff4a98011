"""What keeps the site from being built.

DocsError
├── BrokenLinkError: a page links to what is not there
├── FigureError: a table's marker names no figures, or its end is missing
└── BuildError: the builder found something wrong
"""


class DocsError(Exception):
    """The site cannot be built; the message says why and what helps."""


class BrokenLinkError(DocsError):
    """A page of docs/ links to a file that the repository does not have."""


class FigureError(DocsError):
    """A marker of a table of figures is wrong."""


class BuildError(DocsError):
    """The builder ended with an error or a warning."""
