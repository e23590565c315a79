"""The book as one PDF: `make pdf`, or `python -m tools.pdf` when the book is built.

The pages of `_build/html` become the chapters of one document (`chapters`), with a title page,
contents, running heads and page numbers (`front`, `page.css`). A browser typesets it, narrows
what is too wide (`fit.js`) and prints it twice, the second time with the page numbers that the
first one gave (`press`). Figures, numbers and mathematics are those of the pages.
"""
