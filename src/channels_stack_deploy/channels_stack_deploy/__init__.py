"""The tool behind `make up`: it makes a fresh machine run the stack. Standard library only, Python 3.11 or newer."""
