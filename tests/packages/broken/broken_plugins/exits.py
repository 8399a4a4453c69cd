"""Ends the interpreter when it is imported, and prints."""
import sys

print("this must not reach stdout")
sys.exit(3)
