"""Grading submitted notebooks: each exercise in a process of its own, kept to itself.

The command is ``python -m grading``. From Python::

    from grading.grader import grade

    report = grade(Path("submissions/ada.ipynb"))

Two processes work on an exercise. The student's code runs in one that holds neither the check nor
its truth; the check runs in the grader, and all it has of the answer is an object that passes a
call on and brings its value back. So nothing in a notebook can change a verdict, look at what an
answer is compared with, or stop the grader. `engines` start the student's process in namespaces or
a container, `cells` and `notebooks` find what to run, `values` writes what passes between the
processes, `student` and `sandbox` are its two ends, `grader` makes the scores, and `report` writes
them down.

A student's process imports this package: nothing is imported here.
"""
