"""The page for those who use the package elsewhere."""

PAGE = "api"

ALLOWED = ["It needs Python 3.11 and PyTorch"]  # as pyproject.toml says
