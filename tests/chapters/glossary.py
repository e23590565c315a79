"""The glossary: no exercises, no core cells, no results."""

PAGE = "glossary"
CORE: dict = {}
RIGHT: dict = {}
WRONG: dict = {}
GIVEAWAYS: dict = {}

ALLOWED: list = []
