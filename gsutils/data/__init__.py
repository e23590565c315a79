"""Everything that is data: what is drawn (moons, boards, features) and what is fetched.

Files are fetched and verified by :mod:`gsutils.data.fetch`; images and labels are NumPy arrays,
labels of two classes are -1/+1.
"""
