"""Prints the version line of a Python contender: TITLE PACKAGE PACKAGE… as installed, and Python's own version."""
import platform
import sys
from importlib.metadata import version

title, package, *others = sys.argv[1:]
others = [f"{other} {version(other)}" for other in others] + [f"Python {platform.python_version()}"]
print(f"{title} {version(package)} ({', '.join(others)})")
