"""A course made of the book: two sites, slides, problem sets and their answer key.

    make course                         # from course.yml into _build/course
    python -m tools.course my.yml --out DIR

`settings` reads ``course.yml`` and says what is wrong in it, `source` finds the exercises and
solutions in the chapters, `sets` makes the notebooks, `pages` writes what the sites get besides the
book, and `editions` builds the sites.
"""
